import type { Revocation } from '../../domain/deletion/revocation.ts';
import { closedIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import type { Db } from '../store/connection.ts';
import { countUnended } from './integration-deletion.ts';

export type UsingApp = { id: string; projectId: string; name: string };

/**
 * Returns what uses an integration and would notice its deletion. The caller must have found the integration within its
 * scope.
 */
export function usersOf(db: Db, integrationId: string) {
  // An app can have its source at one integration, and its images at another.
  const apps = () =>
    db('apps')
      .where((either) =>
        either.where({ source_integration_id: integrationId }).orWhere({ registry_integration_id: integrationId }),
      )
      .whereNull('deleted_at');
  return {
    async apps(atMost: number): Promise<UsingApp[]> {
      const rows = await apps().orderBy('id').limit(atMost);
      return rows.map(({ id, project_id: projectId, name }) => ({ id, projectId, name }));
    },

    async counts(): Promise<{ apps: number; pipelines: number; builds: number }> {
      const pipelines = db('pipelines').whereIn('app_id', apps().select('id')).whereNull('deleted_at');
      return {
        apps: await countOf(apps()),
        pipelines: await countOf(pipelines),
        builds: await countUnended(db, integrationId),
      };
    },

    /**
     * Returns each installation with the number of other integrations and projects bound to it, and whether it would be
     * uninstalled.
     */
    async installations(revocation: Revocation) {
      const mine = await db('installations')
        .join('bindings', 'bindings.installation_id', 'installations.id')
        .where('bindings.integration_id', integrationId)
        .whereNull('installations.removed_at')
        .orderBy('installations.id')
        .select('installations.id', 'installations.external_id', 'installations.account_login');
      return Promise.all(
        mine.map(async ({ id, external_id: externalId, account_login: accountLogin }) => {
          const others: { id: string; project_id: string | null }[] = await db('integrations')
            .join('bindings', 'bindings.integration_id', 'integrations.id')
            .where('bindings.installation_id', id)
            .whereNot('integrations.id', integrationId)
            .whereNotIn('integrations.status', closedIntegrationStatuses)
            .select('integrations.id', 'integrations.project_id');
          const projects = new Set(others.flatMap(({ project_id: projectId }) => projectId ?? []));
          const uninstalled = revocation === 'always' || (revocation === 'auto' && others.length === 0);
          return { id, externalId, accountLogin, others: others.length, projects: projects.size, uninstalled };
        }),
      );
    },
  };
}

async function countOf(query: { count(columns: { count: '*' }): unknown }): Promise<number> {
  const rows = (await query.count({ count: '*' })) as { count: number | string }[];
  return Number(rows[0]?.count ?? 0);
}
