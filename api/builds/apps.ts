import { z } from 'zod';
import { registryStatusesOf, sourceStatusesOf } from '../../db/builds/app-sources.ts';
import { type App, appsFor } from '../../db/builds/apps.ts';
import { repositoriesIn } from '../../db/github/repositories.ts';
import { holdOwner, projectsFor } from '../../db/people/projects.ts';
import type { Db } from '../../db/store/connection.ts';
import type { TenantScope } from '../../db/store/tenant.ts';
import {
  type RegistryStatus,
  registryStatuses,
  type SourceStatus,
  sourceStatuses,
} from '../../domain/builds/app-sources.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, reply, requireRevision } from '../http/endpoint.ts';
import { epochSeconds, exampleId, id, lineOfText, name, PageQuery, pageRequest, toSeconds } from '../http/input.ts';
import { Problem, required } from '../http/problems.ts';
import { chooseIntegration } from '../integrations/choose-integration.ts';
import { requireUsable } from '../integrations/unusable.ts';

export const AppView = z
  .object({
    id: z.string(),
    org_id: z.string(),
    project_id: z.string(),
    name: z.string(),
    auto_deploy: z.boolean().describe('Whether events start builds automatically'),
    source: z.object({ integration_id: z.string(), repository_id: z.string(), branch: z.string() }).nullable(),
    source_status: z
      .enum(sourceStatuses)
      .nullable()
      .describe('Whether the app can be built from its source. Null if it has none'),
    registry: z.object({ integration_id: z.string(), image_repository: z.string() }).nullable(),
    registry_status: z
      .enum(registryStatuses)
      .nullable()
      .describe('Whether images can be pushed and pulled. Null if the app has no registry'),
    created_at: epochSeconds,
    updated_at: epochSeconds,
  })
  .meta({ id: 'App' });

const NewApp = z
  .strictObject({ name, auto_deploy: z.boolean().default(true) })
  .meta({ id: 'NewApp', examples: [{ name: 'shop', auto_deploy: true }] });
const AppChange = z
  .strictObject({ name: name.optional(), auto_deploy: z.boolean().optional() })
  .meta({ id: 'AppChange', examples: [{ auto_deploy: false }] });

export const AppParams = z.strictObject({ app: id('app') });
const branch = lineOfText.min(1).max(250);

const NewSource = z
  .strictObject({
    integration_id: id('int').optional().describe('You can omit it if the project can use only one integration'),
    repository_id: z
      .union([id('repo'), z.int().positive()])
      .describe('The id in Fairlead, or the number at the provider'),
    branch: branch.optional().describe('The default branch if you omit it'),
    auto_deploy: z.boolean().optional(),
  })
  .meta({
    id: 'NewAppSource',
    examples: [{ integration_id: exampleId('int'), repository_id: exampleId('repo'), branch: 'main' }],
  });

const SourceChange = z.strictObject({ branch }).meta({ id: 'AppSourceChange', examples: [{ branch: 'main' }] });

export function appRoutes({ database }: Pick<ApiDeps, 'database'>): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/v1/projects/{project}/apps',
      operationId: 'listApps',
      tag: 'apps',
      summary: 'List the apps of a project',
      access: 'projects:read',
      params: z.strictObject({ project: id('prj') }),
      query: PageQuery,
      success: { status: 200, body: z.array(AppView) },
      async read({ tenant, params, query }) {
        required(await projectsFor(database.reader, tenant).find(params.project));
        const { items, next } = await appsFor(database.reader, tenant).list(params.project, pageRequest(query));
        return reply({ body: await appViews(database.reader, items), next });
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/projects/{project}/apps',
      operationId: 'createApp',
      tag: 'apps',
      etag: true,
      summary: 'Create an app',
      access: 'projects:write',
      params: z.strictObject({ project: id('prj') }),
      body: NewApp,
      success: { status: 201, body: AppView },
      async write({ trx, tenant, params, body, audit }) {
        const project = await projectsFor(trx, tenant).find(params.project);
        const isThere = project && (await holdOwner(trx, { orgId: project.orgId, projectId: project.id }));
        if (!isThere) throw new Problem('not_found');
        const app = await appsFor(trx, tenant).insert(project, { name: body.name, autoDeploy: body.auto_deploy });
        await audit({ orgId: app.orgId, projectId: app.projectId, action: 'app.created', target: app.id });
        return reply({ body: await appView(trx, app), revision: app.revision });
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/apps/{app}',
      operationId: 'getApp',
      tag: 'apps',
      etag: true,
      summary: 'Get an app',
      access: 'projects:read',
      params: AppParams,
      success: { status: 200, body: AppView },
      async read({ tenant, params }) {
        const app = await findApp(database.reader, tenant, params.app);
        return reply({ body: await appView(database.reader, app), revision: app.revision });
      },
    }),
    endpoint({
      method: 'patch',
      path: '/v1/apps/{app}',
      operationId: 'updateApp',
      tag: 'apps',
      etag: true,
      summary: 'Update an app',
      access: 'projects:write',
      params: AppParams,
      body: AppChange,
      success: { status: 200, body: AppView },
      async write({ trx, tenant, params, body, audit, ...request }) {
        const app = await findApp(trx, tenant, params.app);
        requireRevision(request, app.revision);
        const settings = { name: body.name ?? app.name, autoDeploy: body.auto_deploy ?? app.autoDeploy };
        if (!(await appsFor(trx, tenant).update(app.id, app.revision, settings)))
          throw new Problem('precondition_failed');
        await audit({ orgId: app.orgId, projectId: app.projectId, action: 'app.updated', target: app.id });
        const changed = { ...app, ...settings, updatedAt: Date.now() };
        return reply({ body: await appView(trx, changed), revision: app.revision + 1 });
      },
    }),
    endpoint({
      method: 'delete',
      path: '/v1/apps/{app}',
      operationId: 'deleteApp',
      tag: 'apps',
      summary: 'Delete an app and its pipelines',
      description: 'Running builds continue. No new ones start.',
      access: 'projects:write',
      params: AppParams,
      success: { status: 204 },
      async write({ trx, tenant, params, audit, ...request }) {
        const app = await findApp(trx, tenant, params.app);
        requireRevision(request, app.revision);
        await appsFor(trx, tenant).remove(app.id);
        await audit({ orgId: app.orgId, projectId: app.projectId, action: 'app.deleted', target: app.id });
      },
    }),
    endpoint({
      method: 'put',
      path: '/v1/apps/{app}/source',
      operationId: 'setAppSource',
      tag: 'apps',
      etag: true,
      summary: 'Set the source repository of an app',
      access: 'projects:write',
      params: AppParams,
      body: NewSource,
      success: { status: 200, body: AppView },
      problems: ['ambiguous_integration', 'integration_unusable', 'no_integration', 'repository_not_reachable'],
      async write({ trx, tenant, params, body, audit, ...request }) {
        const app = await findApp(trx, tenant, params.app);
        requireRevision(request, app.revision);
        const { projectId } = app;
        const wanted = { projectId, kinds: ['github'], named: body.integration_id };
        const integrationId = await chooseIntegration(trx, wanted);
        await requireUsable(trx, integrationId);
        const repository = await repositoriesIn(trx).findReachable(integrationId, body.repository_id);
        if (!repository) {
          throw new Problem(
            'repository_not_reachable',
            'Give the GitHub App access to the repository, or choose another repository.',
          );
        }
        const source = {
          integrationId,
          repositoryId: repository.id,
          branch: body.branch ?? repository.defaultBranch,
        };
        const autoDeploy = body.auto_deploy ?? app.autoDeploy;
        if (!(await appsFor(trx, tenant).setSource(app.id, app.revision, source, autoDeploy))) {
          throw new Problem('precondition_failed');
        }
        await audit({
          orgId: app.orgId,
          projectId: app.projectId,
          action: 'app.source_set',
          target: app.id,
          detail: { integration: integrationId, repository: repository.id },
        });
        const changed = { ...app, source, autoDeploy, updatedAt: Date.now() };
        return reply({ body: await appView(trx, changed), revision: app.revision + 1 });
      },
    }),
    endpoint({
      method: 'patch',
      path: '/v1/apps/{app}/source',
      operationId: 'updateAppSource',
      tag: 'apps',
      etag: true,
      summary: 'Change the branch of an app’s source',
      description:
        'Developers may do this. To set another repository or integration, use `PUT`, which needs `projects:write`.',
      access: 'pipelines:write',
      params: AppParams,
      body: SourceChange,
      success: { status: 200, body: AppView },
      problems: ['source_missing'],
      async write({ trx, tenant, params, body, audit, ...request }) {
        const app = await findApp(trx, tenant, params.app);
        requireRevision(request, app.revision);
        if (!app.source) throw new Problem('source_missing', 'Set the source first: `PUT /v1/apps/{app}/source`.');
        const source = { ...app.source, branch: body.branch };
        if (!(await appsFor(trx, tenant).setSource(app.id, app.revision, source, app.autoDeploy))) {
          throw new Problem('precondition_failed');
        }
        const { orgId, projectId } = app;
        const detail = { branch: body.branch };
        await audit({ orgId, projectId, action: 'app.branch_changed', target: app.id, detail });
        const changed = { ...app, source, updatedAt: Date.now() };
        return reply({ body: await appView(trx, changed), revision: app.revision + 1 });
      },
    }),
  ];
}

export async function findApp(db: Db, tenant: TenantScope, appId: string): Promise<App> {
  return required(await appsFor(db, tenant).find(appId));
}

type View = z.input<typeof AppView>;

async function appViews(db: Db, apps: App[]): Promise<View[]> {
  const [sources, registries] = [await sourceStatusesOf(db, apps), await registryStatusesOf(db, apps)];
  return apps.map((app) => viewOf(app, sources.get(app.id), registries.get(app.id)));
}

export async function appView(db: Db, app: App): Promise<View> {
  const [view] = await appViews(db, [app]);
  return view as View;
}

function viewOf(app: App, sourceStatus: SourceStatus | undefined, registryStatus: RegistryStatus | undefined): View {
  const { source, registry } = app;
  return {
    id: app.id,
    org_id: app.orgId,
    project_id: app.projectId,
    name: app.name,
    auto_deploy: app.autoDeploy,
    source: source
      ? { integration_id: source.integrationId, repository_id: source.repositoryId, branch: source.branch }
      : null,
    source_status: sourceStatus ?? null,
    registry: registry ? { integration_id: registry.integrationId, image_repository: registry.imageRepository } : null,
    registry_status: registryStatus ?? null,
    created_at: toSeconds(app.createdAt),
    updated_at: toSeconds(app.updatedAt),
  };
}
