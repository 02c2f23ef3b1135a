import { allConnectFlows, type ConnectFlow } from '../../db/connect/connect-flows.ts';
import {
  type InstallationWitness,
  installationWitnessesIn,
  isMadeSince,
} from '../../db/connect/installation-witnesses.ts';
import { recoverCommand } from '../../db/deliveries/delivery-log.ts';
import { githubAppsIn } from '../../db/github/github-apps.ts';
import { allInstallations } from '../../db/github/installations.ts';
import { commandsIn } from '../../db/store/commands.ts';
import type { Db } from '../../db/store/connection.ts';
import type { ConnectDeps } from './flow-steps.ts';
import { isAnotherThanRequested, isNamed } from './requested-account.ts';

/** How a person proved that they speak for the account: at the sign-in or by a signed webhook. */
export type Proof = 'account' | 'membership' | 'sender' | 'requester';

export type Proven = { outcome: 'proven' | 'not_yet' | 'changed' } | { outcome: 'refused'; reason: string };

type ProviderInstallation = NonNullable<Awaited<ReturnType<ConnectDeps['connector']['installation']>>>;

/** Returns the installation to bind: the one that the browser named, or the one that an owner has approved. */
export function subjectOf(flow: ConnectFlow): number | null {
  if (flow.githubUserId === null) return null;
  if (flow.status === 'install_pending') return flow.claimedInstallation;
  return flow.status === 'awaiting_approval' && flow.confirmedAt !== null ? flow.approvedInstallation : null;
}

/** Reads the installation with the App's own key, because the browser's data cannot be trusted. */
export async function installationFor({ database, connector }: ConnectDeps, flow: ConnectFlow, externalId: number) {
  const [installation, app] = await Promise.all([
    connector.installation(flow.githubAppId, externalId),
    githubAppsIn(database.reader).find(flow.githubAppId),
  ]);
  return installation && installation.appId === app?.appId ? installation : undefined;
}

/**
 * Returns the proof that this person may connect the account. Three facts prove nothing: the installation belongs to
 * the GitHub App, the person sees it, or the person asked for it. Any account can install the GitHub App, and every
 * member sees the installation. An owner can refuse a request and install the GitHub App for themselves. Only the
 * webhook names the person whose request an owner approved. It does not name the flow, so it counts only for the
 * account that the flow asked for.
 */
export async function proofOf(
  db: Db,
  flow: ConnectFlow,
  { id, account }: ProviderInstallation,
): Promise<Proof | undefined> {
  if (flow.githubUserId === null || isAnotherThanRequested(flow, account)) return undefined;
  if (flow.ownerProof !== null && flow.ownerProofAccount === account.id) return flow.ownerProof;
  const witnesses = await witnessesOf(db, flow, id);
  const witness = witnesses.find(
    (one) =>
      one.githubUserId === flow.githubUserId &&
      one.accountId === account.id &&
      isMadeSince(one, flow.createdAt) &&
      (one.role === 'sender' || isNamed(flow, account)),
  );
  return witness?.role;
}

/**
 * Returns `not_yet` for a new installation whose webhook can still arrive. On the first check it also asks for a
 * recovery, which brings a webhook that was missed.
 */
export function proveOwnership(deps: ConnectDeps) {
  const { database } = deps;
  return async ({ flowId, isFirst }: { flowId: string; isFirst?: boolean }): Promise<Proven> => {
    const flow = await allConnectFlows(database.reader).find(flowId);
    const externalId = flow && subjectOf(flow);
    if (!flow || externalId == null) return { outcome: 'changed' };
    const installation = await installationFor(deps, flow, externalId);
    if (!installation) return { outcome: 'refused', reason: 'installation_gone' };
    if (isAnotherThanRequested(flow, installation.account)) return { outcome: 'refused', reason: 'account_mismatch' };
    if (await proofOf(database.reader, flow, installation)) return { outcome: 'proven' };
    if (await isToldOf(database.reader, flow, installation)) {
      return { outcome: 'refused', reason: 'ownership_not_proven' };
    }
    if (isFirst) {
      await database.write(async (trx) => commandsIn(trx).add(await recoverCommand(trx, flow.githubAppId)));
    }
    return { outcome: 'not_yet' };
  };
}

/**
 * Returns whether the webhook of its creation has arrived, or arrived before the flow began. An installation that is
 * older than the flow proves nothing, so its webhook is not waited for.
 */
async function isToldOf(db: Db, flow: ConnectFlow, { id, createdAt }: ProviderInstallation): Promise<boolean> {
  if (createdAt !== undefined && !isMadeSince({ createdAt }, flow.createdAt)) return true;
  if ((await witnessesOf(db, flow, id)).length > 0) return true;
  const row = await allInstallations(db).findByExternalId(flow.githubAppId, id);
  return row !== undefined && row.createdAt < flow.createdAt;
}

function witnessesOf(db: Db, { githubAppId }: ConnectFlow, externalId: number): Promise<InstallationWitness[]> {
  return installationWitnessesIn(db).list({ githubAppId, externalId });
}
