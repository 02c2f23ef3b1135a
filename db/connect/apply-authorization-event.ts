import { allIntegrations } from '../integrations/integrations.ts';
import { appendAudit } from '../ops/audit.ts';
import type { Transaction } from '../store/connection.ts';
import { allConnectFlows } from './connect-flows.ts';
import { nudgeFlow } from './flow-commands.ts';

export const authorizationRevoked = 'authorization_revoked';

/**
 * A person has taken back what they had allowed the App to know of them: the flows in which they signed in, and that
 * are not over, end. A token of theirs is never kept. Answers how many there were.
 */
export async function applyAuthorizationEvent(
  trx: Transaction,
  githubAppId: string,
  githubUserId: number,
): Promise<number> {
  const flows = allConnectFlows(trx);
  const open = await trx('connect_flows')
    .where({ github_app_id: githubAppId, github_user_id: githubUserId })
    .whereNull('finished_at')
    .orderBy('id')
    .select('id');
  let ended = 0;
  for (const { id } of open) {
    const flow = await flows.takeOpen(id);
    if (!flow || !(await flows.move(id, 'canceled', { reason: authorizationRevoked }))) continue;
    ended += 1;
    if (flow.kind === 'operator' && flow.integrationId) {
      await allIntegrations(trx).moveStatus(flow.integrationId, 'expired', authorizationRevoked);
    }
    await nudgeFlow(trx, flow);
    await appendAudit(trx, {
      orgId: flow.orgId,
      projectId: flow.projectId,
      actor: 'system',
      action: 'flow.canceled',
      target: id,
      outcome: 'failed',
      detail: { reason: authorizationRevoked, github_user_id: githubUserId },
    });
  }
  return ended;
}
