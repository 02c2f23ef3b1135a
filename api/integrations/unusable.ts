import { allIntegrations } from '../../db/integrations/integrations.ts';
import type { Db } from '../../db/store/connection.ts';
import { unusableText } from '../../domain/integrations/integration-health.ts';
import { deletedIntegrationStatuses, usableIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import { Problem } from '../http/problems.ts';
import { usualStepOf } from './health.ts';

/**
 * Returns the problem of an unusable integration. It names the integration and its status, and says what to do. Call
 * this only after you have checked that the project can use the integration.
 */
export async function unusable(db: Db, integrationId: string): Promise<Problem> {
  const integration = await allIntegrations(db).find(integrationId);
  if (!integration) return new Problem('not_found');
  const { displayName, status: state, statusReason: reason } = integration;
  const step = await usualStepOf(db, integration);
  const text = step?.text ?? `Check \`GET /v1/integrations/${integrationId}/health\`.`;
  return new Problem('integration_unusable', unusableText({ displayName, status: state, reason }, text), {
    members: { integration_id: integrationId, state, reason, next_action: step },
  });
}

/** Throws if the integration is unusable. Does not throw for a deleted integration, which other checks report. */
export async function requireUsable(db: Db, integrationId: string): Promise<void> {
  const { status = 'deleted' } = (await allIntegrations(db).find(integrationId)) ?? {};
  if (usableIntegrationStatuses.includes(status) || deletedIntegrationStatuses.includes(status)) return;
  throw await unusable(db, integrationId);
}
