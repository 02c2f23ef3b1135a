import { z } from 'zod';
import { type UsingApp, usersOf } from '../../db/deletion/impact.ts';
import { deleteIntegration, findEvenDeleted } from '../../db/deletion/integration-deletion.ts';
import type { Operation } from '../../db/ops/operations.ts';
import { deletedIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, reply, type WriteRequest } from '../http/endpoint.ts';
import { id } from '../http/input.ts';
import { Accepted } from '../http/operation-view.ts';
import { Problem, type ProblemCode, required } from '../http/problems.ts';
import { dialectTag } from '../integrations/dialect-view.ts';
import { findIntegration } from '../integrations/integrations.ts';
import { DeletionQuery, requireMayRevoke, revocation } from './deletion-query.ts';

const Params = z.strictObject({ integration: id('int') });

const UsingAppView = z.object({ id: z.string(), project_id: z.string(), name: z.string() });

const ImpactView = z
  .object({
    integration_id: z.string(),
    in_use: z.boolean(),
    apps: z.array(UsingAppView).describe('Up to 100 apps'),
    app_count: z.int(),
    pipeline_count: z.int(),
    unended_builds: z.int().describe('The number of builds that would be canceled'),
    installations: z.array(
      z.object({
        id: z.string(),
        installation_id: z.int().describe('The number of the installation on GitHub'),
        account: z.string(),
        other_integrations: z.int(),
        other_projects: z.int(),
        would_be_uninstalled: z.boolean(),
      }),
    ),
    would_uninstall: z.boolean(),
  })
  .meta({ id: 'DeletionImpact' });

/** The most apps that a problem lists. */
const mostApps = 100;

/** The scope and the problems of this operation, here and in the dialect. */
const deleting = {
  access: 'integrations:delete',
  problems: ['not_found', 'integration_in_use'] satisfies ProblemCode[],
} as const;

type DeleteRequest = Pick<
  WriteRequest<z.output<typeof Params>, z.output<typeof DeletionQuery>>,
  'trx' | 'tenant' | 'caller' | 'params' | 'query' | 'audit'
>;

/** Starts the deletion, or returns its operation if it has started already. */
async function deleteById({ trx, tenant, caller, params, query, audit }: DeleteRequest): Promise<Operation> {
  const integration = required(await findEvenDeleted(trx, tenant, params.integration));
  const { id, orgId, projectId, status } = integration;
  requireMayRevoke(caller, orgId, query.revocation);
  const isOver = deletedIntegrationStatuses.includes(status);
  if (query.if_unused === 'true' && !isOver) refuseInUse(await usersOf(trx, id).apps(mostApps));
  return deleteIntegration(trx, { id, orgId, projectId, revocation: query.revocation, audit });
}

export function integrationDeleteRoutes({ database }: Pick<ApiDeps, 'database'>): Endpoint[] {
  return [
    endpoint({
      method: 'delete',
      path: '/v1/integrations/{integration}',
      operationId: 'deleteIntegration',
      tag: 'integrations',
      summary: 'Delete an integration',
      description:
        'Takes effect with the response: nothing more is issued, dispatched or decided for the integration. The operation then revokes its access at the provider, and `outcome` tells the result. If you repeat the request, you get the same operation.',
      ...deleting,
      params: Params,
      query: DeletionQuery,
      success: { status: 202, body: Accepted },
      write: async (request) => reply({ operation: await deleteById(request) }),
    }),
    endpoint({
      method: 'get',
      path: '/v1/integrations/{integration}/impact',
      operationId: 'getIntegrationImpact',
      tag: 'integrations',
      summary: 'Preview the deletion of an integration',
      access: 'integrations:read',
      params: Params,
      query: z.strictObject({ revocation }),
      success: { status: 200, body: ImpactView },
      async read({ tenant, params, query }) {
        const { id } = await findIntegration(database.reader, tenant, params.integration);
        const users = usersOf(database.reader, id);
        const counts = await users.counts();
        const installations = await users.installations(query.revocation);
        return {
          integration_id: id,
          in_use: counts.apps > 0,
          apps: (await users.apps(mostApps)).map(usingAppView),
          app_count: counts.apps,
          pipeline_count: counts.pipelines,
          unended_builds: counts.builds,
          installations: installations.map((one) => ({
            id: one.id,
            installation_id: one.externalId,
            account: one.accountLogin,
            other_integrations: one.others,
            other_projects: one.projects,
            would_be_uninstalled: one.uninstalled,
          })),
          would_uninstall: installations.some(({ uninstalled }) => uninstalled),
        };
      },
    }),
  ];
}

/** The deletion in the dialect of `/api/integrations`, which has no query. */
export function dialectDeleteRoutes(): Endpoint[] {
  return [
    endpoint({
      method: 'delete',
      path: '/api/integrations/{integration}',
      operationId: 'deleteIntegrationInDialect',
      tag: dialectTag,
      summary: 'Delete an integration',
      description:
        'Takes effect with the response. Fairlead uninstalls the GitHub App when its last integration is deleted. `GET /v1/operations/{operationId}` shows the result.',
      ...deleting,
      params: Params,
      success: {
        status: 202,
        body: z.object({ data: z.object({ id: z.string(), operationId: z.string().optional() }) }),
      },
      async write(request) {
        const operation = await deleteById({ ...request, query: DeletionQuery.parse({}) });
        return { data: { id: request.params.integration, operationId: operation.id } };
      },
    }),
  ];
}

function refuseInUse(apps: UsingApp[]): void {
  if (apps.length === 0) return;
  throw new Problem('integration_in_use', 'Give these apps another source or registry first, or omit `if_unused`.', {
    members: { apps: apps.map(usingAppView) },
  });
}

function usingAppView({ id, projectId, name }: UsingApp): z.input<typeof UsingAppView> {
  return { id, project_id: projectId, name };
}
