import { newId } from '../../domain/ids.ts';
import { closedIntegrationStatuses, type IntegrationStatus } from '../../domain/integrations/integration-status.ts';
import type { Db } from '../store/connection.ts';
import { type Page, type PageRequest, pageOf } from '../store/page.ts';
import type { AppRow } from '../store/tables.ts';
import { everything, type TenantScope, within } from '../store/tenant.ts';

export type AppSource = { integrationId: string; repositoryId: string; branch: string };
/** The place of the app's images: a registry, and a name in it. */
export type AppRegistry = { integrationId: string; imageRepository: string };

export type App = {
  id: string;
  orgId: string;
  projectId: string;
  name: string;
  source?: AppSource;
  registry?: AppRegistry;
  autoDeploy: boolean;
  revision: number;
  createdAt: number;
  updatedAt: number;
};

const gone: readonly IntegrationStatus[] = [...closedIntegrationStatuses, 'disconnected'];

type Unreached = {
  id: string;
  external_id: number;
  github_app_id: string;
  host_url: string;
  status: IntegrationStatus;
};

export function appsFor(db: Db, scope: TenantScope) {
  const visible = () => within(scope, db('apps')).whereNull('deleted_at');
  const change = async (id: string, revision: number, columns: Partial<AppRow>) => {
    const changed = await visible()
      .where({ id, revision })
      .update({ ...columns, revision: revision + 1, updated_at: Date.now() });
    return changed === 1;
  };
  /** Returns apps whose source does not reach the installation, with their current repository and integration. */
  const unreached = async (
    { id, orgId, projectId }: { id: string; orgId: string; projectId: string | null },
    installationId: string,
  ): Promise<Unreached[]> => {
    const granted = db('grants').where({ integration_id: id }).select('project_id');
    const reaching = db('bindings').where({ installation_id: installationId }).select('integration_id');
    return within(scope, db('apps'), { org: 'apps.org_id', project: 'apps.project_id' })
      .join('repositories', 'repositories.id', 'apps.source_repository_id')
      .join('github_apps', 'github_apps.id', 'repositories.github_app_id')
      .join('integrations', 'integrations.id', 'apps.source_integration_id')
      .where('apps.org_id', orgId)
      .whereIn('apps.project_id', projectId === null ? granted : [projectId])
      .whereNull('apps.deleted_at')
      .whereNotIn('apps.source_integration_id', reaching)
      .select(
        'apps.id',
        'repositories.external_id',
        'repositories.github_app_id',
        'github_apps.host_url',
        'integrations.status',
      );
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
        registry_integration_id: null,
        image_repository: null,
        revision: 1,
        created_at: now,
        updated_at: now,
        deleted_at: null,
      };
      await db('apps').insert(row);
      return toApp(row);
    },

    /** Returns false if the revision is no longer the current one. The same holds for the two methods below. */
    update: (id: string, revision: number, { name, autoDeploy }: { name: string; autoDeploy: boolean }) =>
      change(id, revision, { name, auto_deploy: autoDeploy }),

    setSource: (id: string, revision: number, source: AppSource, autoDeploy: boolean) =>
      change(id, revision, {
        source_integration_id: source.integrationId,
        source_repository_id: source.repositoryId,
        source_branch: source.branch,
        auto_deploy: autoDeploy,
      }),

    setRegistry: (id: string, revision: number, registry: AppRegistry) =>
      change(id, revision, {
        registry_integration_id: registry.integrationId,
        image_repository: registry.imageRepository,
      }),

    /**
     * Rebinds apps to this integration if their current one no longer reaches the installation that has their
     * repository. Returns the number of rebound apps.
     *
     * An integration of the organization serves the apps of all projects that it is granted to. A repository that was
     * connected by another App is the same one if the host gives it the same ID. Such an app is rebound only if its
     * current integration is gone.
     */
    async rebind(
      { id, orgId, projectId }: { id: string; orgId: string; projectId: string | null },
      installationId: string,
    ): Promise<number> {
      const app = await hostOf(db, installationId);
      if (!app) return 0;
      let rebound = 0;
      for (const one of await unreached({ id, orgId, projectId }, installationId)) {
        const isSame = one.github_app_id === app.id;
        if (!isSame && (one.host_url !== app.hostUrl || !gone.includes(one.status))) continue;
        const key = { github_app_id: app.id, external_id: one.external_id, installation_id: installationId };
        const repository = await db('repositories').where(key).first('id');
        if (!repository) continue;
        rebound += await visible()
          .where({ id: one.id })
          .update({
            source_integration_id: id,
            source_repository_id: repository.id,
            revision: db.raw('revision + 1') as unknown as number,
            updated_at: Date.now(),
          });
      }
      return rebound;
    },

    async remove(id: string): Promise<boolean> {
      const now = Date.now();
      await within(scope, db('pipelines')).where({ app_id: id }).whereNull('deleted_at').update({ deleted_at: now });
      return (await visible().where({ id }).update({ deleted_at: now })) === 1;
    },
  };
}

/** Covers all tenants. Use it only with IDs that were authorized when they were stored. */
export const allApps = (db: Db) => appsFor(db, everything);

function toApp(row: AppRow): App {
  const { source_integration_id: integrationId, source_repository_id: repositoryId } = row;
  const { registry_integration_id: registryId, image_repository: imageRepository } = row;
  return {
    id: row.id,
    orgId: row.org_id,
    projectId: row.project_id,
    name: row.name,
    ...(integrationId && repositoryId && { source: { integrationId, repositoryId, branch: row.source_branch ?? '' } }),
    ...(registryId && imageRepository && { registry: { integrationId: registryId, imageRepository } }),
    autoDeploy: Boolean(row.auto_deploy),
    revision: row.revision,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

/** Returns the App of an installation, and its host. */
async function hostOf(db: Db, installationId: string): Promise<{ id: string; hostUrl: string } | undefined> {
  const row: { id: string; host_url: string } | undefined = await db('installations')
    .join('github_apps', 'github_apps.id', 'installations.github_app_id')
    .where('installations.id', installationId)
    .first('github_apps.id', 'github_apps.host_url');
  return row && { id: row.id, hostUrl: row.host_url };
}
