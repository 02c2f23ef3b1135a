import type { Db } from '../store/connection.ts';
import { hold, locked } from '../store/locks.ts';
import { type Page, type PageRequest, pageOf } from '../store/page.ts';
import type { GrantRow } from '../store/tables.ts';
import { everything, type TenantScope, within } from '../store/tenant.ts';

export type Grant = { projectId: string; createdBy: string; createdAt: number };

/**
 * Stores which projects can use an integration of their organization. The caller must have found the integration within
 * its scope.
 */
export function grantsFor(db: Db, scope: TenantScope) {
  const visible = () => within(scope, db('grants'), { org: 'grants.org_id', project: 'grants.project_id' });
  return {
    async find(integrationId: string, projectId: string): Promise<Grant | undefined> {
      const row = await visible().where({ integration_id: integrationId, project_id: projectId }).first();
      return row && toGrant(row);
    },

    /** Lists the grants of projects that have not been deleted. */
    async list(integrationId: string, page: PageRequest): Promise<Page<Grant>> {
      const query = visible()
        .join('projects', 'projects.id', 'grants.project_id')
        .where('grants.integration_id', integrationId)
        .whereNull('projects.deleted_at')
        .select('grants.*', 'projects.id as id');
      return pageOf<GrantRow & { id: string }, Grant>(query, page, toGrant, 'grants.project_id');
    },

    /** Returns false if the integration was already granted to the project. */
    async add(
      { id, orgId }: { id: string; orgId: string },
      { projectId, createdBy }: { projectId: string; createdBy: string },
    ): Promise<boolean> {
      const row = {
        integration_id: id,
        project_id: projectId,
        org_id: orgId,
        created_by: createdBy,
        created_at: Date.now(),
      };
      const inserted = await db('grants').insert(row).onConflict().ignore().returning('project_id');
      return inserted.length > 0;
    },

    /**
     * Returns false if there was no grant. An exchange for the project locks the integration's row too. So its lease
     * either exists before the removal and can be ended, or the exchange sees that the grant is gone.
     */
    async remove(integrationId: string, projectId: string): Promise<boolean> {
      await hold(locked(db('integrations').where({ id: integrationId }).first('id')));
      return (await visible().where({ integration_id: integrationId, project_id: projectId }).delete()) === 1;
    },
  };
}

/** Returns `grantsFor` without a tenant filter. Use it only with IDs that were authorized when they were stored. */
export const allGrants = (db: Db) => grantsFor(db, everything);

function toGrant({ project_id, created_by, created_at }: GrantRow): Grant {
  return { projectId: project_id, createdBy: created_by, createdAt: created_at };
}
