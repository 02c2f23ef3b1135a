import type { AccountChoice, ConnectFlow } from '../../db/connect/connect-flows.ts';
import { skewMs } from '../../db/connect/installation-witnesses.ts';
import { isAskedElsewhere } from '../../db/connect/other-requests.ts';
import type { Db } from '../../db/store/connection.ts';

type Request = { account: AccountChoice; createdAt: number };

/** The account that a flow asked for, or the accounts of which the person must choose one. */
export type Requested = { account: AccountChoice } | { choices: AccountChoice[] } | undefined;

/** The most accounts among which a person chooses. */
const mostChoices = 20;

/**
 * Returns whether the start of the flow allows this account. A person can request a private GitHub App only for its
 * owner. The owner of a public one says nothing about the requested account.
 */
export function isNamed({ kind, appPublic, accountId, accountLogin }: ConnectFlow, account: AccountChoice): boolean {
  if (kind === 'manifest') return appPublic || accountId === null || accountId === account.id;
  if (accountId !== null) return accountId === account.id;
  return accountLogin === null || accountLogin.toLowerCase() === account.login.toLowerCase();
}

/**
 * Returns whether the flow waits for the approval of another account than this one. The evidence for this account then
 * does not count.
 */
export function isAnotherThanRequested(flow: ConnectFlow, account: AccountChoice): boolean {
  return flow.status === 'awaiting_approval' && flow.requestedAccount !== account.id;
}

/**
 * Decides which account a flow asked for. GitHub ties neither a request nor an approval to a flow. It names only the
 * GitHub App, the person and the account. The person can have asked several owners, each for another project. If more
 * than one account is possible, or another flow can have asked for the only one, the person must choose.
 */
export async function requestedBy(
  db: Db,
  flow: ConnectFlow,
  { requests, approved }: { requests: Request[]; approved: AccountChoice[] },
): Promise<Requested> {
  const { requestedAccount: id, accountChoices: offered } = flow;
  if (id !== null) return { account: { id, login: flow.requestedLogin ?? String(id) } };
  const possible = [...(offered ?? []), ...requests.map(({ account }) => account), ...approved]
    .filter((account) => isNamed(flow, account))
    .filter((account, at, all) => all.findIndex((other) => other.id === account.id) === at)
    .slice(0, mostChoices)
    .map(({ id: number, login }) => ({ id: number, login }));
  const [only, another] = possible;
  if (!only) return undefined;
  // A choice that was offered stays. Otherwise only the account of another flow would remain after a denied request.
  const isAlone = another === undefined && offered === null;
  const isCertain = isAlone && isOfThisTime(flow, requests, only) && !(await isAskedElsewhere(db, flow, only.id));
  return isCertain ? { account: only } : { choices: possible };
}

/** Returns whether the request was made during this flow. An older or newer request can belong to another flow. */
function isOfThisTime({ createdAt, requestedAt }: ConnectFlow, requests: Request[], { id }: AccountChoice): boolean {
  const request = requests.find(({ account }) => account.id === id);
  if (!request) return true;
  const latest = requestedAt === null ? Number.POSITIVE_INFINITY : requestedAt + skewMs;
  return request.createdAt >= createdAt - skewMs && request.createdAt <= latest;
}
