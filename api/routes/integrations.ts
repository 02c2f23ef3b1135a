import { z } from 'zod';
import { appsIn } from '../../db/apps.ts';
import type { Database, Db } from '../../db/connection.ts';
import { type GithubApp, githubAppsIn } from '../../db/github-apps.ts';
import { type Installation, installationsIn, requestSync } from '../../db/installations.ts';
import { type Integration, integrationsIn } from '../../db/integrations.ts';
import { projectsIn } from '../../db/projects.ts';
import { everything, type TenantScope } from '../../db/tenant.ts';
import { integrationStatuses } from '../../domain/integration-status.ts';
import type { ApiDeps } from '../deps.ts';
import { type Endpoint, endpoint, reply } from '../endpoint.ts';
import { epochSeconds, id, name, PageQuery, pageRequest, toSeconds } from '../input.ts';
import { Problem } from '../problems.ts';

const kinds = ['github', 'gitlab', 'git', 'ecr', 'gar', 'acr', 'dockerhub', 'oci'] as const;

export const IntegrationView = z.object({
  id: z.string(),
  provider: z.enum(kinds),
  host_url: z.string(),
  auth_mode: z.string(),
  status: z.enum(integrationStatuses),
  display_name: z.string(),
  app_id: z.string().nullable(),
  app_slug: z.string().nullable(),
  created_by: z.string(),
  created_at: epochSeconds,
  updated_at: epochSeconds,
});

const Params = z.strictObject({ integration: id('int') });

const NewIntegration = z.strictObject({
  provider: z.enum(kinds),
  installation_id: z.int().positive().optional().describe('GitHub’s number of the installation'),
  project_id: id('prj'),
  display_name: name.optional(),
});

export function integrationRoutes({ database }: Pick<ApiDeps, 'database'>): Endpoint[] {
  const list = async (tenant: TenantScope, filter: { kind?: string | undefined; projectId?: string }, page: Page) => {
    const { items, next } = await integrationsIn(database.reader, tenant).list(filter, pageRequest(page));
    return reply({ body: items.map(integrationView), next });
  };
  return [
    endpoint({
      method: 'get',
      path: '/v1/integrations',
      operationId: 'listIntegrations',
      tag: 'integrations',
      summary: 'List integrations',
      access: 'integrations:read',
      query: PageQuery.extend({ kind: z.enum(kinds).optional(), provider: z.enum(kinds).optional() }),
      success: { status: 200, body: z.array(IntegrationView) },
      async read({ tenant, query: { kind, provider, ...page } }) {
        if (kind && provider && kind !== provider) return [];
        return list(tenant, { kind: kind ?? provider }, page);
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/projects/{project}/integrations',
      operationId: 'listProjectIntegrations',
      tag: 'integrations',
      summary: 'List the integrations that a project may use: its own, and those granted to it',
      access: 'integrations:read',
      params: z.strictObject({ project: id('prj') }),
      query: PageQuery,
      success: { status: 200, body: z.array(IntegrationView) },
      async read({ tenant, params, query }) {
        if (!(await projectsIn(database.reader, tenant).find(params.project))) throw new Problem('not_found');
        return list(tenant, { projectId: params.project }, query);
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/integrations/{integration}',
      operationId: 'getIntegration',
      tag: 'integrations',
      summary: 'Read an integration',
      access: 'integrations:read',
      params: Params,
      success: { status: 200, body: IntegrationView },
      async read({ tenant, params }) {
        const integration = await findReadable(database.reader, tenant, params.integration);
        return reply({ body: integrationView(integration), revision: integration.revision });
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/integrations',
      operationId: 'createIntegration',
      tag: 'integrations',
      summary: 'Bind an installation of the operator’s GitHub App to a project',
      description:
        'An installation’s number does not prove who owns the account, so only who operates the instance may say whose it is.',
      access: 'ops',
      body: NewIntegration,
      success: { status: 201, body: IntegrationView },
      problems: [
        'not_found',
        'provider_not_supported',
        'installation_unknown',
        'installation_claimed',
        'integration_exists',
      ],
      async prepare({ body: { provider, installation_id: externalId } }) {
        if (provider !== 'github' || externalId === undefined) {
          throw new Problem('provider_not_supported', 'Send `provider: "github"` with the number of an installation.');
        }
        if (!(await findInstallation(database.reader, externalId))) await refuseUnknown(database);
        return externalId;
      },
      async write({ trx, tenant, caller, body, audit, prepared: externalId }) {
        const { project_id: projectId, display_name: displayName } = body;
        const project = await projectsIn(trx, tenant).find(projectId);
        if (!project) throw new Problem('not_found');
        const found = await findInstallation(trx, externalId);
        if (!found) throw new Problem('installation_unknown', 'It went away just now.');
        const { app, installation } = found;
        const claimed = await installationsIn(trx, everything).claim(installation.id, project.orgId);
        if (!claimed) throw new Problem('installation_claimed', 'An installation belongs to one organization.');

        const identityKey = `installation:${installation.id}`;
        const integrations = integrationsIn(trx, tenant);
        const made = await integrations.insert({
          orgId: project.orgId,
          projectId,
          kind: 'github',
          hostUrl: app.hostUrl,
          authMode: 'github_app',
          status: installation.suspendedAt === null ? 'active' : 'suspended',
          displayName: displayName ?? `GitHub: ${installation.accountLogin}`,
          githubAppId: app.id,
          createdBy: caller.id,
          identityKey,
          metadata: { installation_id: externalId },
        });
        if (!made) {
          const other = await integrations.findByIdentity(projectId, identityKey);
          throw new Problem('integration_exists', 'Use the one that is there.', {
            members: { integration_id: other?.id ?? null },
          });
        }
        await installationsIn(trx, everything).bind(made.id, installation.id, projectId);
        const rebound = await appsIn(trx, tenant).rebind(
          { id: made.id, orgId: project.orgId, projectId },
          installation.id,
        );
        await audit({
          orgId: project.orgId,
          projectId,
          action: 'integration.created',
          target: made.id,
          detail: { installation: installation.id, rebound },
        });
        const integration = await findIntegration(trx, tenant, made.id);
        return reply({ body: integrationView(integration), revision: integration.revision });
      },
    }),
  ];
}

type Page = z.output<typeof PageQuery>;

/** To be changed: one that was granted to the caller's project is not among them. */
export async function findIntegration(db: Db, tenant: TenantScope, integrationId: string): Promise<Integration> {
  const integration = await integrationsIn(db, tenant).find(integrationId);
  if (!integration) throw new Problem('not_found');
  return integration;
}

/** To be looked at and used: the caller's own, and what was granted to a project of theirs. */
export async function findReadable(db: Db, tenant: TenantScope, integrationId: string): Promise<Integration> {
  const integration = await integrationsIn(db, tenant).findReadable(integrationId);
  if (!integration) throw new Problem('not_found');
  return integration;
}

/** An operator's App belongs to no organization. */
async function listOperatorApps(db: Db): Promise<GithubApp[]> {
  return (await githubAppsIn(db).list()).filter(({ orgId }) => orgId === null);
}

async function findInstallation(db: Db, externalId: number) {
  for (const app of await listOperatorApps(db)) {
    const found: Installation | undefined = await installationsIn(db, everything).findByExternalId(app.id, externalId);
    if (found && found.removedAt === null) return { app, installation: found };
  }
  return undefined;
}

/** It may be so new that we have not read it yet: it is read now, for the next try. */
async function refuseUnknown(database: Database): Promise<never> {
  const apps = await listOperatorApps(database.reader);
  await database.write(async (trx) => {
    for (const app of apps) await requestSync(trx, app.id);
  });
  throw new Problem(
    'installation_unknown',
    apps.length === 0
      ? 'No GitHub App is configured: set GITHUB_APP_ID and the settings that go with it.'
      : 'Install the App on the account. If it is, try again in a few seconds: the installations are being read again.',
  );
}

export function integrationView(integration: Integration): z.input<typeof IntegrationView> {
  return {
    id: integration.id,
    provider: integration.kind as (typeof kinds)[number],
    host_url: integration.hostUrl,
    auth_mode: integration.authMode,
    status: integration.status,
    display_name: integration.displayName,
    app_id: integration.appId === null ? null : String(integration.appId),
    app_slug: integration.appSlug,
    created_by: integration.createdBy,
    created_at: toSeconds(integration.createdAt),
    updated_at: toSeconds(integration.updatedAt),
  };
}
