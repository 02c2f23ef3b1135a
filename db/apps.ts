import { newId } from '../domain/ids.ts';
import type { Db } from './connection.ts';
import { type Page, type PageRequest, pageOf } from './page.ts';
import type { AppRow } from './tables.ts';
import { type TenantScope, within } from './tenant.ts';

export type AppSource = { integrationId: string; repositoryId: string; branch: string };

export type App = {
  id: string;
  orgId: string;
  projectId: string;
  name: string;
  source?: AppSource;
  autoDeploy: boolean;
  revision: number;
  createdAt: number;
  updatedAt: number;
};

export function appsIn(db: Db, scope: TenantScope) {
  const visible = () => within(scope, db('apps')).whereNull('deleted_at');
  const change = async (id: string, revision: number, columns: Partial<AppRow>) => {
    const changed = await visible()
      .where({ id, revision })
      .update({ ...columns, revision: revision + 1, updated_at: Date.now() });
    return changed === 1;
  };
  return {
    async find(id: string): Promise<App | undefined> {
      const row = await visible().where({ id }).first();
      return row && toApp(row);
    },

    async list(projectId: string, page: PageRequest): Promise<Page<App>> {
      return pageOf<AppRow, App>(visible().where({ project_id: projectId }), page, toApp);
    },

    async insert(
      project: { id: string; orgId: string },
      settings: { name: string; autoDeploy: boolean },
    ): Promise<App> {
      const now = Date.now();
      const row: AppRow = {
        id: newId('app'),
        org_id: project.orgId,
        project_id: project.id,
        name: settings.name,
        source_integration_id: null,
        source_repository_id: null,
        source_branch: null,
        auto_deploy: settings.autoDeploy,
        revision: 1,
        created_at: now,
        updated_at: now,
        deleted_at: null,
      };
      await db('apps').insert(row);
      return toApp(row);
    },

    /** False where the revision is not the current one any more; so below. */
    update: (id: string, revision: number, { name, autoDeploy }: { name: string; autoDeploy: boolean }) =>
      change(id, revision, { name, auto_deploy: autoDeploy }),

    setSource: (id: string, revision: number, source: AppSource, autoDeploy: boolean) =>
      change(id, revision, {
        source_integration_id: source.integrationId,
        source_repository_id: source.repositoryId,
        source_branch: source.branch,
        auto_deploy: autoDeploy,
      }),

    /**
     * Gives the project's apps that are built from a repository of the installation, through an integration that does
     * not reach it any more, one that does; answers how many there were. One that belongs to no project is for all
     * apps of the projects that it was granted to.
     */
    async rebind(
      { id, orgId, projectId }: { id: string; orgId: string; projectId: string | null },
      installationId: string,
    ): Promise<number> {
      const repositories = db('repositories').where({ installation_id: installationId }).select('id');
      const granted = db('grants').where({ integration_id: id }).select('project_id');
      const reaching = db('bindings').where({ installation_id: installationId }).select('integration_id');
      return visible()
        .where({ org_id: orgId })
        .whereIn('project_id', projectId === null ? granted : [projectId])
        .whereIn('source_repository_id', repositories)
        .whereNotIn('source_integration_id', reaching)
        .update({
          source_integration_id: id,
          revision: db.raw('revision + 1'),
          updated_at: Date.now(),
        });
    },

    async remove(id: string): Promise<boolean> {
      const now = Date.now();
      await within(scope, db('pipelines')).where({ app_id: id }).whereNull('deleted_at').update({ deleted_at: now });
      return (await visible().where({ id }).update({ deleted_at: now })) === 1;
    },
  };
}

function toApp(row: AppRow): App {
  const { source_integration_id: integrationId, source_repository_id: repositoryId } = row;
  return {
    id: row.id,
    orgId: row.org_id,
    projectId: row.project_id,
    name: row.name,
    ...(integrationId && repositoryId && { source: { integrationId, repositoryId, branch: row.source_branch ?? '' } }),
    autoDeploy: Boolean(row.auto_deploy),
    revision: row.revision,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
