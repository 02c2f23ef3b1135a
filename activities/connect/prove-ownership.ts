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

/** How a person was shown to speak for the account: at the sign-in, or by a signed webhook. */
export type Proof = 'account' | 'membership' | 'sender' | 'requester';

export type Proven = { outcome: 'proven' | 'not_yet' | 'changed' } | { outcome: 'refused'; reason: string };

type ProviderInstallation = NonNullable<Awaited<ReturnType<ConnectDeps['connector']['installation']>>>;

/** The installation that is to be bound: the one that the browser named, or the one that an owner has approved. */
export function subjectOf(flow: ConnectFlow): number | null {
  if (flow.githubUserId === null) return null;
  if (flow.status === 'install_pending') return flow.claimedInstallation;
  return flow.status === 'awaiting_approval' && flow.confirmedAt !== null ? flow.approvedInstallation : null;
}

/** Reads the installation by the App's own key: what the browser says of it counts for nothing. */
export async function installationFor({ database, connector }: ConnectDeps, flow: ConnectFlow, externalId: number) {
  const [installation, app] = await Promise.all([
    connector.installation(flow.githubAppId, externalId),
    githubAppsIn(database.reader).find(flow.githubAppId),
  ]);
  return installation && installation.appId === app?.appId ? installation : undefined;
}

/**
 * Whether this person may connect the account. That the installation is one of the App's proves nothing: everybody's
 * is. Nor does it that the person sees it: every member does. Nor that they had asked for it, and that it is there: its
 * owner may have said no, and have installed the App for themselves. Only the webhook tells whom an owner has answered.
 */
export async function proofOf(
  db: Db,
  flow: ConnectFlow,
  { id, account }: ProviderInstallation,
): Promise<Proof | undefined> {
  if (flow.githubUserId === null) return undefined;
  if (flow.ownerProof !== null && flow.ownerProofAccount === account.id) return flow.ownerProof;
  const witnesses = await witnessesOf(db, flow, id);
  const witness = witnesses.find(
    (one) => one.githubUserId === flow.githubUserId && one.accountId === account.id && isMadeSince(one, flow.createdAt),
  );
  return witness?.role;
}

/**
 * `not_yet`: the installation is new, and the webhook that tells who made it may be on its way. Or it was missed: at the
 * first time of a proof GitHub's log of webhooks is read, which brings it.
 */
export function proveOwnership(deps: ConnectDeps) {
  const { database } = deps;
  return async ({ flowId, isFirst }: { flowId: string; isFirst?: boolean }): Promise<Proven> => {
    const flow = await allConnectFlows(database.reader).find(flowId);
    const externalId = flow && subjectOf(flow);
    if (!flow || externalId == null) return { outcome: 'changed' };
    const installation = await installationFor(deps, flow, externalId);
    if (!installation) return { outcome: 'refused', reason: 'installation_gone' };
    if (await proofOf(database.reader, flow, installation)) return { outcome: 'proven' };
    if (await isToldOf(database.reader, flow, installation)) {
      return { outcome: 'refused', reason: 'ownership_not_proven' };
    }
    if (isFirst) await database.write((trx) => commandsIn(trx).add(recoverCommand(flow.githubAppId)));
    return { outcome: 'not_yet' };
  };
}

/** Whether the webhook of its creation has come, or came before the flow began. */
async function isToldOf(db: Db, flow: ConnectFlow, { id }: ProviderInstallation): Promise<boolean> {
  if ((await witnessesOf(db, flow, id)).length > 0) return true;
  const row = await allInstallations(db).findByExternalId(flow.githubAppId, id);
  return row !== undefined && row.createdAt < flow.createdAt;
}

function witnessesOf(db: Db, { githubAppId }: ConnectFlow, externalId: number): Promise<InstallationWitness[]> {
  return installationWitnessesIn(db).list({ githubAppId, externalId });
}
