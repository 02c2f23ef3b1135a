import { cancellationSignal } from '@temporalio/activity';
import {
  type AccountChoice,
  allConnectFlows,
  type ConnectFlow,
  type FlowNote,
} from '../../db/connect/connect-flows.ts';
import { installationWitnessesIn } from '../../db/connect/installation-witnesses.ts';
import type { ConnectDeps } from './flow-steps.ts';
import { requestedBy } from './requested-account.ts';

/**
 * `gone`: the request no longer exists and nothing is installed. GitHub notifies no one about a refusal. `unclear`: the
 * person must say which account this flow asked for.
 */
export type Approval = { outcome: 'approved' | 'pending' | 'unclear' | 'unseen' | 'gone' | 'changed' };

type Request = Awaited<ReturnType<ConnectDeps['connector']['installationRequests']>>[number];
type Installation = NonNullable<Awaited<ReturnType<ConnectDeps['connector']['installation']>>>;
/** A flow of a person who has signed in. */
type Asking = ConnectFlow & { githubUserId: number };

/** GitHub's list shows a request within seconds. After this time, a request that it never showed counts as gone. */
const unseenMs = 10 * 60_000;

/**
 * Checks whether an owner has approved the request of this flow. An approval of another account does not count, because
 * the same person can have asked that owner for another project. Binds nothing, because the person must confirm first.
 */
export function lookForApproval({ database, connector }: ConnectDeps) {
  /** Returns the installations whose webhook names this person as the requester, as GitHub describes them now. */
  async function answersTo({ githubAppId, githubUserId, requestedAccount, createdAt }: Asking) {
    const witnesses = installationWitnessesIn(database.reader);
    const answers: Installation[] = [];
    for (const { externalId, accountId } of await witnesses.listAnswered(githubAppId, githubUserId, createdAt)) {
      if (requestedAccount !== null && accountId !== requestedAccount) continue;
      const installation = await connector.installation(githubAppId, externalId);
      if (installation?.account.id === accountId) answers.push(installation);
    }
    return answers;
  }

  async function requestsOf({ githubAppId, githubUserId }: Asking): Promise<Request[]> {
    const all = await connector.installationRequests(githubAppId, cancellationSignal());
    return all.filter(({ requester }) => requester.id === githubUserId);
  }

  /**
   * Stores what was found, if the flow is still the same. In the meantime another person can have signed in, or this
   * person can have made another request or chosen an account.
   */
  async function note(flow: Asking, found: FlowNote): Promise<boolean> {
    return database.write(async (trx) => {
      const flows = allConnectFlows(trx);
      const now = await flows.takeOpen(flow.id);
      const isSame =
        now?.status === 'awaiting_approval' &&
        now.githubUserId === flow.githubUserId &&
        now.requestedAccount === flow.requestedAccount &&
        now.requestedAt === flow.requestedAt;
      return isSame && (await flows.note(flow.id, found));
    });
  }

  async function noted(flow: Asking, outcome: Approval['outcome'], found: FlowNote): Promise<Approval> {
    const isNews = Object.entries(found).some(
      ([name, value]) => JSON.stringify(flow[name as keyof FlowNote]) !== JSON.stringify(value),
    );
    return { outcome: !isNews || (await note(flow, found)) ? outcome : 'changed' };
  }

  /** Looks for the approval of the one account that this flow asked for. */
  async function lookAt(flow: Asking, account: AccountChoice, requests: Request[], answers: Installation[]) {
    const known = { requestedAccount: account.id, accountChoices: null };
    const pending = requests.find((request) => request.account.id === account.id);
    const answer = answers.find((installation) => installation.account.id === account.id);
    if (pending && !answer) {
      return noted(flow, 'pending', { ...known, requestedLogin: pending.account.login, detail: null });
    }
    const approved = answer ?? (await connector.findInstallation(flow.githubAppId, account.id, cancellationSignal()));
    if (!approved) return noted(flow, 'gone', { ...known, requestedLogin: account.login, detail: isGone(account) });
    return noted(flow, 'approved', {
      ...known,
      requestedLogin: approved.account.login,
      approvedInstallation: approved.id,
      detail: null,
    });
  }

  async function unseen(flow: Asking): Promise<Approval> {
    if (flow.requestedAt === null || flow.requestedAt > Date.now() - unseenMs) return { outcome: 'unseen' };
    return noted(flow, 'gone', { detail: isMissing(flow) });
  }

  return async ({ flowId }: { flowId: string }): Promise<Approval> => {
    const flow = await allConnectFlows(database.reader).find(flowId);
    if (flow?.status !== 'awaiting_approval' || !hasSignedIn(flow)) return { outcome: 'changed' };
    const answers = await answersTo(flow);
    const isAnswered = flow.requestedAccount !== null && answers.length > 0;
    const requests = isAnswered ? [] : await requestsOf(flow);
    const approved = answers.map(({ account }) => account);
    const requested = await requestedBy(database.reader, flow, { requests, approved });
    if (!requested) return unseen(flow);
    if ('account' in requested) return lookAt(flow, requested.account, requests, answers);
    return noted(flow, 'unclear', { accountChoices: requested.choices, detail: null });
  };
}

function hasSignedIn(flow: ConnectFlow): flow is Asking {
  return flow.githubUserId !== null;
}

const thenItEnds = 'Fairlead checks for one more hour. After that, this connection ends.';

function isGone({ login }: AccountChoice): string {
  return `GitHub no longer lists your request for @${login}. An owner may have denied it. ${thenItEnds}`;
}

function isMissing({ githubLogin, accountLogin, kind }: ConnectFlow): string {
  const account = kind !== 'manifest' && accountLogin !== null ? ` for @${accountLogin}` : '';
  return `GitHub lists no request from @${githubLogin}${account}. An owner may have denied it, or you asked with another GitHub account. ${thenItEnds}`;
}
