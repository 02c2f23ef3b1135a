import { z } from 'zod';
import { type Integration, integrationsFor } from '../../db/integrations/integrations.ts';
import { projectsFor } from '../../db/people/projects.ts';
import type { Db } from '../../db/store/connection.ts';
import type { TenantScope } from '../../db/store/tenant.ts';
import type { RegistryHost } from '../../domain/registries/registry-hosts.ts';
import { tenantFor } from '../http/caller.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, type ReplyOf, type Request, reply, type WriteRequest } from '../http/endpoint.ts';
import { exampleId, id, name, PageQuery, pageRequest } from '../http/input.ts';
import { Problem, type ProblemCode, required } from '../http/problems.ts';
import {
  checkNewRegistry,
  createRegistry,
  NewCloudRegistry,
  NewDockerHub,
  NewOci,
  type NewRegistry,
} from '../registries/create-registry.ts';
import { registryProblems } from '../registries/registry-input.ts';
import { isRegistry } from '../registries/registry-view.ts';
import { bindingProblems, bindOperatorInstallation, requireInstallation } from './bind-operator-installation.ts';
import {
  ChangedIntegration,
  detailById,
  detailOf,
  IntegrationItem,
  IntegrationView,
  integrationView,
  kinds,
} from './integration-view.ts';

const Params = z.strictObject({ integration: id('int') });
const ListQuery = PageQuery.extend({ kind: z.enum(kinds).optional(), provider: z.enum(kinds).optional() });

/** The scope and the problems of this operation, here and in the dialect. */
export const reading = { access: 'integrations:read' } as const;
export const creating = {
  access: 'integrations:write',
  problems: [...bindingProblems, ...registryProblems, 'cloud_account_missing'] satisfies ProblemCode[],
} as const;

const NewGithub = z
  .strictObject({
    provider: z.literal('github'),
    installation_id: z.int().positive().optional().describe('The number of the installation on GitHub'),
    project_id: id('prj'),
    display_name: name.optional(),
  })
  .meta({ id: 'NewGithubIntegration' });

export const NewIntegration = z
  .discriminatedUnion('provider', [
    NewGithub,
    NewDockerHub,
    NewOci,
    NewCloudRegistry,
    z.looseObject({ provider: z.enum(['gitlab', 'git']) }),
  ])
  .meta({
    id: 'NewIntegration',
    examples: [
      {
        provider: 'dockerhub',
        project_id: exampleId('prj'),
        credentials: { username: 'acme', password: '<an access token of Docker Hub>' },
        repositories: ['acme/shop'],
      },
      {
        provider: 'ecr',
        project_id: exampleId('prj'),
        registry: '123456789012.dkr.ecr.eu-west-1.amazonaws.com',
        cloud_account_id: exampleId('ca'),
      },
      { provider: 'github', project_id: exampleId('prj'), installation_id: 12345678 },
    ],
  });

type View = z.input<typeof IntegrationView>;
type Changed = z.input<typeof ChangedIntegration>;
type Deps = Pick<ApiDeps, 'database' | 'keyring' | 'connect'>;

/** The functions behind the routes of `/v1/integrations`, which the routes of the dialect call as well. */
export function integrationHandlers(deps: Deps) {
  const { database } = deps;
  return {
    async list({
      tenant,
      query: { kind, provider, ...page },
    }: Pick<Request<unknown, z.output<typeof ListQuery>>, 'tenant' | 'query'>): Promise<ReplyOf<View[]>> {
      if (kind && provider && kind !== provider) return { body: [] };
      return listWithin(database.reader, tenant, { kind: kind ?? provider }, page);
    },

    async read({
      tenant,
      params,
    }: Pick<Request<z.output<typeof Params>>, 'tenant' | 'params'>): Promise<ReplyOf<View>> {
      const integration = await findReadable(database.reader, tenant, params.integration);
      return { body: await detailOf(database.reader, integration), revision: integration.revision };
    },

    /** Checks the request before the transaction of `create`. */
    async prepare({ caller, body }: Pick<Request<unknown, unknown, Body>, 'caller' | 'body'>): Promise<Prepared> {
      if (body.provider === 'github') {
        tenantFor(caller, 'ops');
        const { installation_id: externalId } = body;
        if (externalId === undefined) {
          throw new Problem(
            'provider_not_supported',
            'Send `installation_id`: the number of the installation on GitHub.',
          );
        }
        await requireInstallation(database, externalId);
        return { externalId, asked: body };
      }
      if (!isNewRegistry(body)) {
        throw new Problem(
          'provider_not_supported',
          `You cannot connect ${body.provider} yet. Choose another provider.`,
        );
      }
      return { host: checkNewRegistry(body, deps), asked: body };
    },

    async create(
      request: Pick<WriteRequest, 'trx' | 'tenant' | 'caller' | 'audit'>,
      prepared: Prepared,
    ): Promise<ReplyOf<Changed>> {
      if ('host' in prepared) {
        const { host, asked: body } = prepared;
        const { integration, operation } = await createRegistry(request, deps, { body, host });
        const renew = () => detailById(database.reader, integration.id);
        return { body: integrationView(integration), revision: integration.revision, operation, renew };
      }
      const { externalId, asked } = prepared;
      const { project_id: projectId, display_name: displayName } = asked;
      const ops = { ...request, tenant: tenantFor(request.caller, 'ops') };
      const { integration, rebound } = await bindOperatorInstallation(ops, { externalId, projectId, displayName });
      return {
        body: { ...integrationView(integration), ...(rebound > 0 && { rebound }) },
        revision: integration.revision,
      };
    },
  };
}

async function listWithin(
  db: Db,
  tenant: TenantScope,
  filter: { kind?: string | undefined; projectId?: string },
  page: Page,
): Promise<ReplyOf<View[]>> {
  const { items, next } = await integrationsFor(db, tenant).list(filter, pageRequest(page));
  return { body: items.map((one) => integrationView(one)), next };
}

export function integrationRoutes(deps: Deps): Endpoint[] {
  const { database } = deps;
  const { list, read, prepare, create } = integrationHandlers(deps);
  return [
    endpoint({
      method: 'get',
      path: '/v1/integrations',
      operationId: 'listIntegrations',
      tag: 'integrations',
      summary: 'List integrations',
      ...reading,
      query: ListQuery,
      success: { status: 200, body: z.array(IntegrationItem) },
      read: async (request) => reply(await list(request)),
    }),
    endpoint({
      method: 'get',
      path: '/v1/projects/{project}/integrations',
      operationId: 'listProjectIntegrations',
      tag: 'integrations',
      summary: 'List the integrations of a project',
      access: 'integrations:read',
      params: z.strictObject({ project: id('prj') }),
      query: PageQuery,
      success: { status: 200, body: z.array(IntegrationItem) },
      async read({ tenant, params, query }) {
        required(await projectsFor(database.reader, tenant).find(params.project));
        return reply(await listWithin(database.reader, tenant, { projectId: params.project }, query));
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/integrations/{integration}',
      operationId: 'getIntegration',
      tag: 'integrations',
      etag: true,
      summary: 'Get an integration',
      ...reading,
      params: Params,
      success: { status: 200, body: IntegrationView },
      read: async (request) => reply(await read(request)),
    }),
    endpoint({
      method: 'post',
      path: '/v1/integrations',
      operationId: 'createIntegration',
      tag: 'integrations',
      etag: true,
      summary: 'Create an integration',
      description:
        'Connects a registry or an installation of the operator’s GitHub App. A registry is `pending` until its verification succeeds: see the operation in the response. You need the scope `ops` to connect an installation, because its number does not prove who owns the account. Otherwise, connect GitHub with `POST /v1/integrations/github/start`.',
      ...creating,
      body: NewIntegration,
      success: { status: 201, body: ChangedIntegration },
      prepare,
      write: async ({ prepared, ...request }) => reply(await create(request, prepared)),
    }),
  ];
}

type Page = z.output<typeof PageQuery>;
type Body = z.output<typeof NewIntegration>;
type OfGithub = Extract<Body, { provider: 'github' }>;
export type Prepared = { externalId: number; asked: OfGithub } | { host: RegistryHost; asked: NewRegistry };

function isNewRegistry(body: Body): body is NewRegistry {
  return isRegistry({ kind: body.provider });
}

/**
 * Returns an integration that the caller can change. Excludes integrations that are only granted to the caller's
 * project.
 */
export async function findIntegration(db: Db, tenant: TenantScope, integrationId: string): Promise<Integration> {
  return required(await integrationsFor(db, tenant).find(integrationId));
}

/**
 * Returns an integration that the caller can read and use: an own one, or one that is granted to the caller's project.
 */
export async function findReadable(db: Db, tenant: TenantScope, integrationId: string): Promise<Integration> {
  return required(await integrationsFor(db, tenant).findReadable(integrationId));
}
