import { closedIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import { allApps } from '../builds/apps.ts';
import { allBuilds, cancelBuild } from '../builds/builds.ts';
import { dispatchesIn } from '../builds/dispatches.ts';
import { appendAudit } from '../ops/audit.ts';
import type { Db, Transaction } from '../store/connection.ts';

export const repositoryRemoved = 'repository_removed';

/**
 * Cancels the builds of removed repositories if nothing was sent for them. A running build continues at the provider,
 * and its workflow notices if it can no longer follow the run.
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
      // The build is between two attempts. Its workflow sees that the build has ended.
      if (!(await withdraw(trx, id))) continue;
      await builds.requestCancel(id, repositoryRemoved);
      await builds.moveStatus(id, 'canceled', { reason: repositoryRemoved });
    }
  }
}

/** Succeeds only if nothing has been sent, because a sender moves the same row first. */
async function withdraw(trx: Transaction, buildId: string): Promise<boolean> {
  const withdrawn = await trx('dispatches')
    .where({ build_id: buildId, state: 'intent' })
    .update({ state: 'refused', code: repositoryRemoved, updated_at: Date.now() });
  return withdrawn === 1;
}

/**
 * Moves apps to another integration after a sync found repositories in an installation. It moves an app if its
 * integration no longer reaches its repository. The new integration must belong to the same owner and be bound to the
 * installation.
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
