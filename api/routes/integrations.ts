import { z } from 'zod';
import type { Db } from '../../db/connection.ts';
import { type Integration, integrationsIn } from '../../db/integrations.ts';
import { projectsIn } from '../../db/projects.ts';
import type { TenantScope } from '../../db/tenant.ts';
import { integrationStatuses } from '../../domain/integration-status.ts';
import { bindInstallation, bindingProblems, lookForInstallation } from '../bind-installation.ts';
import type { ApiDeps } from '../deps.ts';
import { type Endpoint, endpoint, reply } from '../endpoint.ts';
import { epochSeconds, id, name, PageQuery, pageRequest, toSeconds } from '../input.ts';
import { Problem } from '../problems.ts';

export const kinds = ['github', 'gitlab', 'git', 'ecr', 'gar', 'acr', 'dockerhub', 'oci'] as const;

export const IntegrationView = z.object({
  id: z.string(),
  provider: z.enum(kinds),
  host_url: z.string(),
  auth_mode: z.string(),
  status: z.enum(integrationStatuses),
  status_reason: z.string().nullable().describe('A stable code, where the status alone does not say why'),
  display_name: z.string(),
  metadata: z.record(z.string(), z.unknown()),
  app_id: z.string().nullable(),
  app_slug: z.string().nullable(),
  created_by: z.string(),
  created_at: epochSeconds,
  updated_at: epochSeconds,
});

/** In a list, which has these members and no other. */
const IntegrationItem = IntegrationView.pick({
  id: true,
  provider: true,
  host_url: true,
  auth_mode: true,
  status: true,
  display_name: true,
  app_id: true,
  app_slug: true,
  created_by: true,
  created_at: true,
  updated_at: true,
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
      success: { status: 200, body: z.array(IntegrationItem) },
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
      success: { status: 200, body: z.array(IntegrationItem) },
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
      problems: bindingProblems,
      async prepare({ body: { provider, installation_id: externalId } }) {
        if (provider !== 'github' || externalId === undefined) {
          throw new Problem('provider_not_supported', 'Send `provider: "github"` with the number of an installation.');
        }
        await lookForInstallation(database, externalId);
        return externalId;
      },
      async write({ body: { project_id: projectId, display_name: displayName }, prepared: externalId, ...request }) {
        const integration = await bindInstallation(request, { externalId, projectId, displayName });
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

export function integrationView(integration: Integration): z.input<typeof IntegrationView> {
  return {
    id: integration.id,
    provider: integration.kind as (typeof kinds)[number],
    host_url: integration.hostUrl,
    auth_mode: integration.authMode,
    status: integration.status,
    status_reason: integration.statusReason,
    display_name: integration.displayName,
    metadata: integration.metadata,
    app_id: integration.appId === null ? null : String(integration.appId),
    app_slug: integration.appSlug,
    created_by: integration.createdBy,
    created_at: toSeconds(integration.createdAt),
    updated_at: toSeconds(integration.updatedAt),
  };
}
