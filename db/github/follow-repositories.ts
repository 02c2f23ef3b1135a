import { closedIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import { allApps } from '../builds/apps.ts';
import { allBuilds, cancelBuild } from '../builds/builds.ts';
import { dispatchesIn } from '../builds/dispatches.ts';
import { appendAudit } from '../ops/audit.ts';
import type { Db, Transaction } from '../store/connection.ts';

export const repositoryRemoved = 'repository_removed';

/**
 * Cancels what was to be built from repositories that were taken away, as far as nothing was sent. A run that is under
 * way goes on at the provider; whether it can still be followed shows by itself.
 */
export async function stopBuildsOf(trx: Transaction, repositoryIds: string[]): Promise<void> {
  if (repositoryIds.length === 0) return;
  const waiting = await trx('builds')
    .whereIn('repository_id', repositoryIds)
    .whereIn('status', ['blocked', 'queued', 'dispatching'])
    .orderBy('id')
    .select('id', 'status');
  const builds = allBuilds(trx);
  for (const { id, status } of waiting) {
    if (status !== 'dispatching') {
      await cancelBuild(trx, id, repositoryRemoved);
    } else if ((await dispatchesIn(trx).find(id))?.state === 'intent') {
      // Between its attempts: the workflow that waits finds the build over.
      if (!(await withdraw(trx, id))) continue;
      await builds.requestCancel(id, repositoryRemoved);
      await builds.moveStatus(id, 'canceled', { reason: repositoryRemoved });
    }
  }
}

/** Only where nothing has been sent: whoever is about to send moves the same row first. */
async function withdraw(trx: Transaction, buildId: string): Promise<boolean> {
  const withdrawn = await trx('dispatches')
    .where({ build_id: buildId, state: 'intent' })
    .update({ state: 'refused', code: repositoryRemoved, updated_at: Date.now() });
  return withdrawn === 1;
}

/**
 * After repositories were seen in an installation: the apps that are built from them follow to an integration of
 * theirs that is bound to it, where the one that they have does not reach it.
 */
export async function followMoved(db: Db, installationId: string): Promise<void> {
  const bound = await db('integrations')
    .join('bindings', 'bindings.integration_id', 'integrations.id')
    .where('bindings.installation_id', installationId)
    .whereNotIn('integrations.status', closedIntegrationStatuses)
    .orderBy('integrations.id')
    .select('integrations.id', 'integrations.org_id', 'integrations.project_id');
  for (const { id, org_id: orgId, project_id: projectId } of bound) {
    const rebound = await allApps(db).rebind({ id, orgId, projectId }, installationId);
    if (rebound === 0) continue;
    const act = { action: 'integration.apps_rebound', target: id, detail: { installation: installationId, rebound } };
    await appendAudit(db, { orgId, projectId, actor: 'system', ...act });
  }
}
