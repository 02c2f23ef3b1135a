import { newId } from '../../domain/ids.ts';
import { endedIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import type { Db } from '../store/connection.ts';
import { shared } from '../store/locks.ts';
import { type Page, type PageRequest, pageOf } from '../store/page.ts';
import type { ProjectRow } from '../store/tables.ts';
import { everything, type TenantScope, within } from '../store/tenant.ts';

export type Project = {
  id: string;
  orgId: string;
  name: string;
  revision: number;
  createdAt: number;
  updatedAt: number;
};

export function projectsFor(db: Db, scope: TenantScope) {
  const visible = () => within(scope, db('projects'), { org: 'org_id', project: 'id' }).whereNull('deleted_at');
  return {
    async find(id: string): Promise<Project | undefined> {
      const row = await visible().where({ id }).first();
      return row && toProject(row);
    },

    async list(page: PageRequest, orgId?: string): Promise<Page<Project>> {
      const query = visible();
      if (orgId !== undefined) query.where({ org_id: orgId });
      return pageOf<ProjectRow, Project>(query, page, toProject);
    },

    async insert({ orgId, name }: { orgId: string; name: string }): Promise<Project> {
      const now = Date.now();
      const row: ProjectRow = {
        id: newId('prj'),
        org_id: orgId,
        name,
        revision: 1,
        created_at: now,
        updated_at: now,
        deleted_at: null,
      };
      await db('projects').insert(row);
      return toProject(row);
    },

    /** Returns false if the revision is not the current one. */
    async update(id: string, revision: number, { name }: { name: string }): Promise<boolean> {
      const changed = await visible()
        .where({ id, revision })
        .update({ name, revision: revision + 1, updated_at: Date.now() });
      return changed === 1;
    },

    /** Returns whether the project has apps or integrations. Such a project cannot be deleted. */
    async isInUse(id: string): Promise<boolean> {
      const app = await db('apps').where({ project_id: id }).whereNull('deleted_at').first();
      const integration = await db('integrations')
        .where({ project_id: id })
        .whereNotIn('status', endedIntegrationStatuses)
        .first();
      return Boolean(app ?? integration);
    },

    async remove(id: string): Promise<boolean> {
      return (await visible().where({ id }).update({ deleted_at: Date.now() })) === 1;
    },
  };
}

/** Returns `projectsFor` without a tenant filter. Use it only with IDs that were authorized when they were stored. */
export const allProjects = (db: Db) => projectsFor(db, everything);

function toProject({ id, org_id, name, revision, created_at, updated_at }: ProjectRow): Project {
  return { id, orgId: org_id, name, revision, createdAt: created_at, updatedAt: updated_at };
}

/**
 * Returns whether the project exists, or the organization if no project is given. If so, a deletion waits until this
 * transaction ends, and then finds what the transaction has created. Call it before you lock other rows of the owner,
 * because a deletion locks the owner first.
 */
export async function holdOwner(
  trx: Db,
  { orgId, projectId }: { orgId: string; projectId?: string | null | undefined },
): Promise<boolean> {
  const one = trx(projectId == null ? 'orgs' : 'projects').where({ id: projectId ?? orgId });
  return (await shared(one).whereNull('deleted_at').first()) !== undefined;
}
