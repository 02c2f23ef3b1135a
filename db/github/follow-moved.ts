import { appsIn } from '../builds/apps.ts';
import { appendAudit } from '../ops/audit.ts';
import type { Db } from '../store/connection.ts';
import { everything } from '../store/tenant.ts';

/**
 * After repositories were seen in an installation: the apps that are built from them follow to an integration of
 * theirs that is bound to it, where the one that they have does not reach it.
 */
export async function followMoved(db: Db, installationId: string): Promise<void> {
  const bound = await db('integrations')
    .join('bindings', 'bindings.integration_id', 'integrations.id')
    .where('bindings.installation_id', installationId)
    .whereNotIn('integrations.status', ['deleting', 'deleted', 'expired'])
    .orderBy('integrations.id')
    .select('integrations.id', 'integrations.org_id', 'integrations.project_id');
  for (const { id, org_id: orgId, project_id: projectId } of bound) {
    const rebound = await appsIn(db, everything).rebind({ id, orgId, projectId }, installationId);
    if (rebound === 0) continue;
    const act = { action: 'integration.apps_rebound', target: id, detail: { installation: installationId, rebound } };
    await appendAudit(db, { orgId, projectId, actor: 'system', ...act });
  }
}
