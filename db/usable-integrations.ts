import type { Knex } from 'knex';
import { type IntegrationStatus, usableIntegrationStatuses } from '../domain/integration-status.ts';
import type { Db } from './connection.ts';

export type UsableIntegration = { id: string; displayName: string };

/** Narrows a query of integrations to the project's own and those that its organization has granted to it. */
export function usedBy<Query extends Knex.QueryBuilder>(db: Db, query: Query, projectId: string): Query {
  const granted = db('grants').where({ project_id: projectId }).select('integration_id');
  query.where((either) => either.where('integrations.project_id', projectId).orWhereIn('integrations.id', granted));
  return query;
}

/** The integrations that a project may use. The project was found within the caller's scope, or is that of a build. */
export function usableIntegrations(db: Db, projectId: string) {
  return {
    /** One that is the project's to use, whether it works now or not. */
    async find(id: string): Promise<{ id: string; kind: string; status: IntegrationStatus } | undefined> {
      return usedBy(db, db('integrations').where({ id }), projectId)
        .whereNotIn('integrations.status', ['deleted', 'expired'])
        .first('integrations.id', 'integrations.kind', 'integrations.status');
    },

    /** Whether it is the project's to use, also while it does not work or is gone. */
    async includes(id: string): Promise<boolean> {
      return (await usedBy(db, db('integrations').where({ id }), projectId).first('integrations.id')) !== undefined;
    },

    /** Those of a kind that work now, newest first. */
    async list(kind: string): Promise<UsableIntegration[]> {
      const rows: { id: string; display_name: string }[] = await usedBy(
        db,
        db('integrations').where({ kind }),
        projectId,
      )
        .whereIn('integrations.status', [...usableIntegrationStatuses])
        .orderBy('integrations.id', 'desc')
        .select('integrations.id', 'integrations.display_name');
      return rows.map(({ id, display_name: displayName }) => ({ id, displayName }));
    },
  };
}
