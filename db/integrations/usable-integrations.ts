import type { Knex } from 'knex';
import {
  closedIntegrationStatuses,
  deletedIntegrationStatuses,
  endedIntegrationStatuses,
  type IntegrationStatus,
  integrationStatuses,
  usableIntegrationStatuses,
} from '../../domain/integrations/integration-status.ts';
import type { Db } from '../store/connection.ts';
import { shared } from '../store/locks.ts';

export type UsableIntegration = { id: string; displayName: string; hostUrl: string };

/** Narrows a query of integrations to the project's own and those that its organization has granted to it. */
export function usedBy<Query extends Knex.QueryBuilder>(db: Db, query: Query, projectId: string): Query {
  const granted = db('grants').where({ project_id: projectId }).select('integration_id');
  query.where((either) => either.where('integrations.project_id', projectId).orWhereIn('integrations.id', granted));
  return query;
}

/**
 * Finds the integrations that a project can use. The caller must have found the project within its scope, or must take
 * it from a build.
 */
export function usableIntegrations(db: Db, projectId: string) {
  return {
    /** Finds an integration that the project can use, whether it works now or not. */
    async find(id: string): Promise<{ id: string; kind: string; status: IntegrationStatus } | undefined> {
      return usedBy(db, db('integrations').where({ id }), projectId)
        .whereNotIn('integrations.status', endedIntegrationStatuses)
        .first('integrations.id', 'integrations.kind', 'integrations.status');
    },

    /** Returns whether the project can use the integration, even if it does not work or is gone. */
    async includes(id: string): Promise<boolean> {
      return (await usedBy(db, db('integrations').where({ id }), projectId).first('integrations.id')) !== undefined;
    },

    /** Lists the usable integrations of these kinds, newest first. */
    list: (...kinds: string[]): Promise<UsableIntegration[]> => listIn(usableIntegrationStatuses, kinds),

    /** Lists the unusable integrations of these kinds that are not deleted, newest first. */
    listUnusable: (...kinds: string[]): Promise<UsableIntegration[]> => listIn(unusableStatuses, kinds),
  };

  async function listIn(statuses: readonly IntegrationStatus[], kinds: string[]): Promise<UsableIntegration[]> {
    const rows: { id: string; display_name: string; host_url: string }[] = await usedBy(
      db,
      db('integrations').whereIn('kind', kinds),
      projectId,
    )
      .whereIn('integrations.status', [...statuses])
      .orderBy('integrations.id', 'desc')
      .select('integrations.id', 'integrations.display_name', 'integrations.host_url');
    return rows.map(({ id, display_name: displayName, host_url: hostUrl }) => ({ id, displayName, hostUrl }));
  }
}

const unusableStatuses = integrationStatuses.filter(
  (status) => !usableIntegrationStatuses.includes(status) && !closedIntegrationStatuses.includes(status),
);

/** The reason for work that was rejected or ended because its integration was deleted. */
export const integrationDeleted = 'integration_deleted';

export const integrationDeletedDetail = 'Its integration was deleted: give the app another source.';

export function isDeletedStatus(status: IntegrationStatus): boolean {
  return deletedIntegrationStatuses.includes(status);
}

/**
 * Returns whether the integration has been deleted. A build that was triggered just before the deletion finds out when
 * it is dispatched.
 */
export async function isDeleted(db: Db, integrationId: string): Promise<boolean> {
  const integration = await db('integrations').where({ id: integrationId }).first('status');
  return integration === undefined || isDeletedStatus(integration.status);
}

/** Returns whether an integration can be used. If so, it cannot be deleted until the transaction ends. */
export async function holdUsable(trx: Db, id: string): Promise<boolean> {
  const usable = trx('integrations').where({ id }).whereIn('status', usableIntegrationStatuses);
  return (await shared(usable.first('id'))) !== undefined;
}

/** Returns the status of an integration, also of a deleted one. */
export async function integrationStatusOf(db: Db, id: string): Promise<IntegrationStatus | undefined> {
  return (await db('integrations').where({ id }).first('status'))?.status;
}
