import { allIntegrations } from '../../db/integrations/integrations.ts';
import type { Db } from '../../db/store/connection.ts';
import { deletedIntegrationStatuses, usableIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import { Problem } from '../http/problems.ts';
import { nextStepOf } from './health.ts';

/**
 * Returns the problem of an integration that does not work now. It names the integration and its state, and says what
 * to do. The caller must have found out that the project can use the integration.
 */
export async function unusable(db: Db, integrationId: string): Promise<Problem> {
  const integration = await allIntegrations(db).find(integrationId);
  if (!integration) return new Problem('not_found');
  const { displayName, status: state, statusReason: reason } = integration;
  const step = await nextStepOf(db, integration);
  const text = step?.text ?? `Check \`GET /v1/integrations/${integrationId}/health\`.`;
  return new Problem('integration_unusable', `${displayName} is ${state}${reason ? ` (${reason})` : ''}. ${text}`, {
    members: { integration_id: integrationId, state, reason, next_action: step },
  });
}

/** Throws if the integration does not work now. A deleted one has problems of its own. */
export async function requireWorking(db: Db, integrationId: string): Promise<void> {
  const { status = 'deleted' } = (await allIntegrations(db).find(integrationId)) ?? {};
  if (usableIntegrationStatuses.includes(status) || deletedIntegrationStatuses.includes(status)) return;
  throw await unusable(db, integrationId);
}
