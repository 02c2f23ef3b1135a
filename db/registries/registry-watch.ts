import { verifyWorkflowId } from '../../domain/ops/workflow-ids.ts';
import { commandsIn } from '../store/commands.ts';
import type { Transaction } from '../store/connection.ts';
import { verificationCommand } from './registry-verifications.ts';

/** A check that is not heard of again is asked for once more after that. */
const heldMs = 3_600_000;

const over = ['deleting', 'deleted', 'expired'] as const;

/**
 * Has the registries asked whose time has come: those that have waited longest, and none of them twice, however many
 * workers do so at once. Answers how many there were.
 */
export async function claimDueChecks(trx: Transaction, limit: number): Promise<number> {
  const now = Date.now();
  const due = () => trx('integrations').where('next_check_at', '<=', now);
  await due().whereIn('status', over).update({ next_check_at: null });
  const oldest = due().whereNotIn('status', over).orderBy(['next_check_at', 'id']).limit(limit);
  // The one writer of SQLite needs no lock.
  if (trx.client.config.client === 'pg') oldest.forUpdate().skipLocked();
  const rows = await oldest.select('id', 'org_id', 'project_id');
  const ids = rows.map(({ id }) => id);
  await trx('integrations')
    .whereIn('id', ids)
    .update({ next_check_at: now + heldMs });
  // Somebody has asked for it already: that answers this, too.
  const waiting = await trx('commands')
    .where({ status: 'pending' })
    .whereIn('workflow_id', ids.map(verifyWorkflowId))
    .select('workflow_id');
  const asked = new Set(waiting.map(({ workflow_id: workflowId }) => workflowId));
  const wanted = rows.filter(({ id }) => !asked.has(verifyWorkflowId(id)));
  await commandsIn(trx).add(
    ...wanted.map(({ id, org_id: orgId, project_id: projectId }) => verificationCommand({ id, orgId, projectId })),
  );
  return rows.length;
}
