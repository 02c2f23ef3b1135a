import type { Knex } from 'knex';
import { closedIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import { verifyWorkflowId } from '../../domain/ops/workflow-ids.ts';
import { expiryNoticeMs } from '../../domain/registries/registry-watch.ts';
import { allIncidents } from '../ops/incidents.ts';
import { commandsIn } from '../store/commands.ts';
import type { Transaction } from '../store/connection.ts';
import { skipLocked } from '../store/locks.ts';
import type { IntegrationRow } from '../store/tables.ts';
import { verificationCommand } from './registry-verifications.ts';

/** After this time without a result, a check is requested again. */
const heldMs = 3_600_000;

/**
 * Requests a check of the registries that are due, starting with those that have waited longest. Several workers can
 * run this at once, and no registry is claimed twice. Returns how many were due.
 */
export async function claimDueChecks(trx: Transaction, limit: number): Promise<number> {
  const now = Date.now();
  const due = () => trx('integrations').where('next_check_at', '<=', now);
  await due().whereIn('status', closedIntegrationStatuses).update({ next_check_at: null });
  const oldest = due().whereNotIn('status', closedIntegrationStatuses).orderBy(['next_check_at', 'id']).limit(limit);
  const rows = await skipLocked(oldest).select('id', 'org_id', 'project_id', 'host_url');
  const ids = rows.map(({ id }) => id);
  await trx('integrations')
    .whereIn('id', ids)
    .update({ next_check_at: now + heldMs });
  // A pending request for a check counts for this, too.
  const waiting = await trx('commands')
    .where({ status: 'pending' })
    .whereIn('workflow_id', ids.map(verifyWorkflowId))
    .select('workflow_id');
  const asked = new Set(waiting.map(({ workflow_id: workflowId }) => workflowId));
  const wanted = rows.filter(({ id }) => !asked.has(verifyWorkflowId(id)));
  await commandsIn(trx).add(
    ...wanted.map(({ id, org_id: orgId, project_id: projectId, host_url: hostUrl }) =>
      verificationCommand({ id, orgId, projectId, hostUrl }),
    ),
  );
  return rows.length;
}

const code = 'credential_expiring';

/** The limit of one round. The next round handles the rest. */
const mostNotices = 200;

/**
 * Raises an incident once for each credential of a registry or a cloud account that expires soon by its owner's date.
 * Resolves the incident when that is no longer true.
 */
export async function noteExpiring(trx: Transaction): Promise<void> {
  const incidents = allIncidents(trx);
  const soon = Date.now() + expiryNoticeMs;
  const registries = trx('integrations')
    .where('expires_at', '<=', soon)
    .whereNotIn('status', closedIntegrationStatuses);
  const accounts = trx('cloud_accounts').where('expires_at', '<=', soon).whereNull('deleted_at');
  const told = trx('incidents').where({ code, status: 'open' });
  const moot = await told
    .clone()
    .whereNotIn('subject_id', registries.clone().select('id'))
    .whereNotIn('subject_id', accounts.clone().select('id'))
    .select('subject_id');
  for (let from = 0; from < moot.length; from += 500) {
    await incidents.resolveSubject(code, ...moot.slice(from, from + 500).map(({ subject_id: id }) => id));
  }
  for (const [ending, path] of [
    [registries, '/v1/integrations'],
    [accounts, '/v1/cloud-accounts'],
  ] as const) {
    const untold: Pick<IntegrationRow, 'id' | 'org_id' | 'project_id' | 'display_name'>[] = await (
      ending.clone() as Knex.QueryBuilder
    )
      .whereNotIn('id', told.clone().select('subject_id'))
      .orderBy('expires_at')
      .limit(mostNotices)
      .select('id', 'org_id', 'project_id', 'display_name');
    for (const { id, org_id: orgId, project_id: projectId, display_name: name } of untold) {
      const title = `${name}: its credential expires within seven days, or has expired`;
      const action = `Create a new credential and store it with its date: \`PATCH ${path}/${id}\` with \`credentials\` and \`expires_at\`.`;
      await incidents.raise({ orgId, projectId, code, subjectId: id, title, action });
    }
  }
}
