import { allIntegrations } from '../integrations/integrations.ts';
import { appendAudit } from '../ops/audit.ts';
import type { Transaction } from '../store/connection.ts';
import { allConnectFlows } from './connect-flows.ts';
import { nudgeFlow } from './flow-commands.ts';

export const authorizationRevoked = 'authorization_revoked';

/**
 * Ends the open flows of a person who has revoked the App's authorization at GitHub. Returns the number of ended flows.
 * There is no token to delete, because Fairlead never stores the person's token.
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
