import type { IntegrationStatus } from '../../domain/integrations/integration-status.ts';
import type { Db } from '../store/connection.ts';

/** The reason of what was refused or ended because of it. */
export const integrationDeleted = 'integration_deleted';
export const integrationDeletedDetail = 'Its integration was deleted: give the app another source.';

export function isDeletedStatus(status: IntegrationStatus): boolean {
  return status === 'deleting' || status === 'deleted';
}

/** Whether it was deleted by now. Who begins something just before finds out when it is to be dispatched. */
export async function isDeleted(db: Db, integrationId: string): Promise<boolean> {
  const integration = await db('integrations').where({ id: integrationId }).first('status');
  return integration === undefined || isDeletedStatus(integration.status);
}
