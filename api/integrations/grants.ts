import { z } from 'zod';
import { appsFor } from '../../db/builds/apps.ts';
import { cutOffProject } from '../../db/deletion/integration-deletion.ts';
import { installationsFor } from '../../db/github/installations.ts';
import { type Grant, grantsFor } from '../../db/integrations/grants.ts';
import type { Integration } from '../../db/integrations/integrations.ts';
import { holdOwner, projectsFor } from '../../db/people/projects.ts';
import type { Transaction } from '../../db/store/connection.ts';
import type { TenantScope } from '../../db/store/tenant.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, reply } from '../http/endpoint.ts';
import { CreatedBy, creatorOf, epochSeconds, id, PageQuery, pageRequest, toSeconds } from '../http/input.ts';
import { Problem, required } from '../http/problems.ts';
import { findIntegration } from './integrations.ts';

const GrantView = z
  .object({ project_id: z.string(), created_by: CreatedBy, created_at: epochSeconds })
  .meta({ id: 'Grant' });
const Granted = GrantView.extend({
  rebound: z.int().describe('How many apps of the project use the integration again'),
}).meta({ id: 'GrantWithEffect' });
const Revoked = z
  .object({
    project_id: z.string(),
    canceled_builds: z.array(z.string()).describe('The builds of the project that were canceled'),
    apps: z
      .array(z.object({ id: z.string(), name: z.string() }))
      .describe('The apps that need another source before they can build'),
  })
  .meta({ id: 'GrantRevocation' });

const OfIntegration = z.strictObject({ integration: id('int') });
const Params = OfIntegration.extend({ project: id('prj') });

/** The grant routes. A project can use an integration of the organization only if it has a grant. */
export function grantRoutes({ database }: Pick<ApiDeps, 'database'>): Endpoint[] {
  async function find(trx: Transaction, tenant: TenantScope, ids: z.output<typeof Params>): Promise<Integration> {
    const integration = await findIntegration(trx, tenant, ids.integration);
    const project = await projectsFor(trx, tenant).find(ids.project);
    if (project?.orgId !== integration.orgId) throw new Problem('not_found');
    return integration;
  }

  return [
    endpoint({
      method: 'get',
      path: '/v1/integrations/{integration}/grants',
      operationId: 'listGrants',
      tag: 'integrations',
      summary: 'List the projects that can use an integration',
      access: 'integrations:read',
      params: OfIntegration,
      query: PageQuery,
      success: { status: 200, body: z.array(GrantView) },
      async read({ tenant, params, query }) {
        const integration = await findIntegration(database.reader, tenant, params.integration);
        const { items, next } = await grantsFor(database.reader, tenant).list(integration.id, pageRequest(query));
        return reply({ body: items.map(grantView), next });
      },
    }),
    endpoint({
      method: 'put',
      path: '/v1/integrations/{integration}/grants/{project}',
      operationId: 'grantIntegration',
      tag: 'integrations',
      summary: 'Grant a project access to an organization integration',
      description:
        'Apps of the project whose earlier integration is gone use this one if it can access their repository. If you repeat the request, nothing changes.',
      access: 'org:admin',
      params: Params,
      success: { status: 200, body: Granted },
      problems: ['not_grantable', 'invalid_transition'],
      async write({ trx, tenant, caller, params, audit }) {
        const integration = await find(trx, tenant, params);
        const { id: integrationId, orgId } = integration;
        const { project: projectId } = params;
        required(await holdOwner(trx, { orgId, projectId }));
        if (integration.projectId !== null)
          throw new Problem('not_grantable', 'Connect the account again in the other project.');
        if (integration.status === 'deleting')
          throw new Problem('invalid_transition', 'The integration is being deleted. Choose another one.');
        const grants = grantsFor(trx, tenant);
        const isNew = await grants.add(integration, { projectId, createdBy: caller.id });
        const rebound = isNew ? await rebind(trx, tenant, integration, projectId) : 0;
        if (isNew) {
          const act = { action: 'integration.granted', target: integrationId, detail: { rebound } };
          await audit({ orgId, projectId, ...act });
        }
        const grant = await grants.find(integrationId, projectId);
        if (!grant) throw new Error('The grant is gone within its own transaction');
        return { ...grantView(grant), rebound };
      },
    }),
    endpoint({
      method: 'delete',
      path: '/v1/integrations/{integration}/grants/{project}',
      operationId: 'revokeGrant',
      tag: 'integrations',
      summary: 'Revoke a project’s access to an organization integration',
      description:
        'Takes effect with the response: the project can no longer build or get credentials with the integration. Its running builds are canceled and its tokens are revoked. If you repeat the request, nothing changes.',
      access: 'org:admin',
      params: Params,
      success: { status: 200, body: Revoked },
      async write({ trx, tenant, params, audit }) {
        const { id: integrationId, orgId } = await find(trx, tenant, params);
        const { project: projectId } = params;
        if (!(await grantsFor(trx, tenant).remove(integrationId, projectId))) {
          return { project_id: projectId, canceled_builds: [], apps: [] };
        }
        const reason = 'integration_not_granted';
        const { tokens, builds, apps } = await cutOffProject(trx, { integrationId, projectId, reason });
        const detail = { canceled_builds: builds.length, apps: apps.length, tokens };
        await audit({ orgId, projectId, action: 'integration.grant_revoked', target: integrationId, detail });
        return { project_id: projectId, canceled_builds: builds, apps };
      },
    }),
  ];
}

/** Moves the project's apps to this integration, as a new connection of the project does. */
async function rebind(
  trx: Transaction,
  tenant: TenantScope,
  { id: integrationId, orgId }: Integration,
  projectId: string,
): Promise<number> {
  const bound = await installationsFor(trx, tenant).boundIds(integrationId);
  let rebound = 0;
  for (const installationId of bound) {
    rebound += await appsFor(trx, tenant).rebind({ id: integrationId, orgId, projectId }, installationId);
  }
  return rebound;
}

function grantView({ projectId, createdBy, createdAt }: Grant): z.input<typeof GrantView> {
  return { project_id: projectId, created_by: creatorOf(createdBy), created_at: toSeconds(createdAt) };
}
