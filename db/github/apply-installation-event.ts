import type { InstallationEvent, OtherEvent } from '../../domain/deliveries/github-events.ts';
import { idIn, objectIn, type Payload, textIn } from '../../domain/deliveries/github-payload.ts';
import { allConnectFlows } from '../connect/connect-flows.ts';
import { nudgeFlow } from '../connect/flow-commands.ts';
import { installationWitnessesIn } from '../connect/installation-witnesses.ts';
import type { Transaction } from '../store/connection.ts';
import { followInstallations } from './follow-installations.ts';
import { appLimits, githubAppsIn, hasRoom } from './github-apps.ts';
import { allInstallations } from './installations.ts';
import { repositoriesIn } from './repositories.ts';

type RepositoryEvent = Extract<OtherEvent, { kind: 'repository' }>;

/**
 * Applies removals and suspensions at once. New access is left to the refresh and the sync that follow, which ask
 * GitHub. Events come late and out of order, and must not bring back access that is gone.
 *
 * Irreversible effects also wait for GitHub: builds are stopped once GitHub has confirmed the removal, and builds that
 * are not sent yet wait until then.
 */
export async function applyInstallationEvent(
  trx: Transaction,
  githubAppId: string,
  event: InstallationEvent | RepositoryEvent,
): Promise<void> {
  const repositories = repositoriesIn(trx);
  if (event.kind === 'repository') {
    if (event.action === 'deleted') {
      await repositories.noteRemoved(githubAppId, [event.repositoryId]);
    }
    return;
  }
  const installations = allInstallations(trx);
  const { installationId, action } = event;
  if (event.kind === 'installation_repositories') {
    await repositories.noteRemoved(githubAppId, event.removedRepositoryIds, installationId);
  } else if (event.kind === 'installation' && action === 'deleted') {
    await installations.noteRemoved(githubAppId, installationId);
  } else if (event.kind === 'installation' && action === 'suspend') {
    await installations.setSuspended(githubAppId, installationId, suspendedAt(event.installation));
  } else if (event.kind === 'installation' && action === 'created') {
    await noteNew(trx, githubAppId, event);
    await noteWitnesses(trx, githubAppId, event);
    await nudgeFlows(trx, githubAppId, event);
  }
  await followInstallations(trx, githubAppId);
}

/**
 * Stores who created or requested the installation, which is one of the proofs of who may connect its account. Ignores
 * an event that does not say when the installation was created: a late webhook must not make an old installation a new
 * one.
 */
async function noteWitnesses(trx: Transaction, githubAppId: string, event: InstallationEvent): Promise<void> {
  const accountId = idIn(objectIn(event.installation, 'account'), 'id');
  const createdAt = event.installedAt;
  if (accountId === undefined || createdAt === undefined) return;
  const witnesses = installationWitnessesIn(trx);
  const key = { githubAppId, externalId: event.installationId };
  const people = { sender: event.senderId, requester: event.requesterId };
  for (const role of ['sender', 'requester'] as const) {
    const githubUserId = people[role];
    if (githubUserId !== undefined) await witnesses.note(key, { role, githubUserId, accountId, createdAt });
  }
}

/** Notifies the open flows that may have waited for this installation. */
async function nudgeFlows(trx: Transaction, githubAppId: string, event: InstallationEvent): Promise<void> {
  const githubUserIds = [event.senderId, event.requesterId].filter((id) => id !== undefined);
  const subject = { externalId: event.installationId, githubUserIds };
  for (const flow of await allConnectFlows(trx).listConcerned(githubAppId, subject)) {
    await nudgeFlow(trx, flow, 'installed');
  }
}

/** Shows a new installation before the sync has finished. A known installation does not change. */
async function noteNew(
  trx: Transaction,
  githubAppId: string,
  { installation, installationId }: InstallationEvent,
): Promise<void> {
  const installations = allInstallations(trx);
  if (await installations.findByExternalId(githubAppId, installationId)) return;
  const account = objectIn(installation, 'account');
  const accountId = idIn(account, 'id');
  if (!accountId) return;
  const app = await githubAppsIn(trx).find(githubAppId);
  const room = { kind: 'installations', externalIds: [installationId], most: appLimits.installations } as const;
  if (!app || !(await hasRoom(trx, app, room))) return;
  await installations.upsert(githubAppId, {
    externalId: installationId,
    accountLogin: textIn(account, 'login') ?? '',
    accountId,
    targetType: textIn(installation, 'target_type') ?? textIn(account, 'type') ?? '',
    repositorySelection: textIn(installation, 'repository_selection') ?? 'selected',
    permissions: (objectIn(installation, 'permissions') ?? {}) as Record<string, string>,
    events: [],
    suspendedAt: null,
  });
}

function suspendedAt(installation: Payload): number {
  return Date.parse(textIn(installation, 'suspended_at') ?? '') || Date.now();
}
