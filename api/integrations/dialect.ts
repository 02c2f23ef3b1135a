import { z } from 'zod';
import { deletedIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, type Reply, type ReplyOf, reply, type WriteRequest } from '../http/endpoint.ts';
import { check, exampleId, id, name, PageQuery } from '../http/input.ts';
import { jsonValue } from '../http/json-value.ts';
import { Problem } from '../http/problems.ts';
import { NewCredentials } from '../registries/registry-input.ts';
import { DialectIntegration, dialectTag, inDialect, withoutOurs } from './dialect-view.ts';
import { IntegrationChanges, updateIntegration, updating } from './integration-update.ts';
import { type IntegrationView, kinds } from './integration-view.ts';
import { creating, integrationHandlers, NewIntegration as NewIntegrationOfV1, reading } from './integrations.ts';

type V1 = z.input<typeof IntegrationView>;
type Deps = Pick<ApiDeps, 'database' | 'keyring' | 'connect'>;

const Params = z.strictObject({ integration: id('int') });
const One = z.object({ data: DialectIntegration });
const credentials = z.record(z.string().max(100), z.string().max(100_000));
const metadata = z.record(z.string().min(1).max(100), jsonValue);

const NewIntegration = z
  .strictObject({
    kind: z.enum(kinds),
    name,
    metadata: metadata
      .optional()
      .describe(
        'For `github`: `installationID`. For a registry: the host `registry`, and for `ecr`, `gar` and `acr` also `cloudAccountID`',
      ),
    credentials: credentials
      .optional()
      .describe('For `dockerhub` and `oci`: `username` and `password`. Never returned'),
    projectId: id('prj')
      .optional()
      .describe(
        'The project that will own the integration. Required for `github`, and if you have access to several projects',
      ),
    orgId: id('org').optional().describe('For a registry: the organization that will own it, instead of a project'),
  })
  .meta({
    id: 'NewDialectIntegration',
    examples: [
      {
        kind: 'ecr',
        name: 'Images of Acme',
        projectId: exampleId('prj'),
        metadata: { registry: '123456789012.dkr.ecr.eu-west-1.amazonaws.com', cloudAccountID: exampleId('ca') },
      },
    ],
  });
const Changes = z
  .strictObject({
    name: name.optional(),
    metadata: metadata
      .optional()
      .describe('Your own metadata. Replaces all of it. The fields that Fairlead sets do not change'),
    credentials: credentials
      .optional()
      .describe('For `dockerhub` and `oci`: a new `password`, and a `username` if that changes too'),
  })
  .meta({ id: 'DialectIntegrationChange', examples: [{ name: 'Images of Acme' }] });

/**
 * The routes of another product's page, for platforms that speak them. They call the functions of `/v1` with other
 * addresses and words, so every rule of `/v1` applies here as well.
 */
export function dialectRoutes(deps: Deps): Endpoint[] {
  const { database } = deps;
  const { list, read, prepare, create } = integrationHandlers(deps);
  const change = updateIntegration(deps);

  const update = (method: 'patch' | 'put', operationId: string) =>
    endpoint({
      method,
      path: '/api/integrations/{integration}',
      operationId,
      tag: dialectTag,
      etag: true,
      summary: 'Update an integration',
      ...updating,
      params: Params,
      body: Changes,
      success: { status: 200, body: One },
      async write(request) {
        const { credentials, metadata, name: displayName } = request.body;
        const changes = {
          ...(displayName !== undefined && { display_name: displayName }),
          ...(metadata && { metadata: withoutOurs(metadata) }),
          ...(credentials && { credentials: check('body.credentials', NewCredentials, credentials) }),
        };
        const body = check('body', IntegrationChanges, changes);
        return one(request, await change({ ...request, body }));
      },
    });

  return [
    endpoint({
      method: 'get',
      path: '/api/integrations',
      operationId: 'listIntegrationsInDialect',
      tag: dialectTag,
      summary: 'List integrations',
      description: 'A page has up to 200 integrations. Follow the `Link` header for more.',
      ...reading,
      query: PageQuery.extend({
        limit: PageQuery.shape.limit.unwrap().default(200),
        kind: z.enum(kinds).optional(),
      }),
      success: { status: 200, body: z.object({ data: z.array(DialectIntegration) }) },
      async read(request) {
        const { body, ...parts } = await list(request);
        return reply({
          ...parts,
          body: { data: await inDialect(database.reader, request.tenant, body.filter(isThere)) },
        });
      },
    }),
    endpoint({
      method: 'post',
      path: '/api/integrations',
      operationId: 'createIntegrationInDialect',
      tag: dialectTag,
      etag: true,
      summary: 'Create an integration',
      description:
        'For `github`, only the operator can create an integration from an installation of the operator’s GitHub App. Everyone else uses `GET /api/integrations/github/install`. Fairlead verifies a registry afterwards.',
      ...creating,
      body: NewIntegration,
      success: { status: 201, body: One },
      prepare: async (request) => prepare({ ...request, body: toNew(request.body) }),
      write: async ({ prepared, ...request }) => one(request, await create(request, prepared)),
    }),
    endpoint({
      method: 'get',
      path: '/api/integrations/{integration}',
      operationId: 'getIntegrationInDialect',
      tag: dialectTag,
      etag: true,
      summary: 'Get an integration',
      ...reading,
      params: Params,
      success: { status: 200, body: One },
      async read(request) {
        const { body: view, ...parts } = await read(request);
        if (!isThere(view)) throw new Problem('not_found');
        return reply({ ...parts, body: { data: (await inDialect(database.reader, request.tenant, [view]))[0] } });
      },
    }),
    update('patch', 'updateIntegrationInDialect'),
    update('put', 'replaceIntegrationInDialect'),
  ];
}

/** Returns the integration that was created or changed. The dialect has no operations, so no caller waits for one. */
async function one(
  { trx, tenant }: Pick<WriteRequest, 'trx' | 'tenant'>,
  { body: view, operation: _, renew: __, ...parts }: ReplyOf<V1>,
): Promise<Reply> {
  return reply({ ...parts, body: { data: (await inDialect(trx, tenant, [view]))[0] } });
}

/** The dialect has no status that says that an integration is being deleted. */
function isThere({ status }: V1): boolean {
  return !deletedIntegrationStatuses.includes(status);
}

function toNew({ kind, name, metadata = {}, credentials, projectId, orgId }: z.output<typeof NewIntegration>) {
  if (kind === 'github') return newOfGithub({ name, metadata, credentials, projectId });
  const { registry, cloudAccountID } = metadata;
  const body = {
    provider: kind,
    display_name: name,
    ...(registry !== undefined && { registry }),
    ...(cloudAccountID !== undefined && { cloud_account_id: cloudAccountID }),
    ...(credentials && { credentials }),
    ...(projectId !== undefined && { project_id: projectId }),
    ...(orgId !== undefined && { org_id: orgId }),
  };
  return check('body', NewIntegrationOfV1, body);
}

function newOfGithub({
  name,
  metadata,
  credentials,
  projectId,
}: Pick<z.output<typeof NewIntegration>, 'name' | 'credentials' | 'projectId'> & { metadata: object }) {
  const { installationID } = metadata as { installationID?: unknown };
  const installationId = z.int().positive().safeParse(installationID);
  if (credentials || !installationId.success || projectId === undefined) {
    const advice =
      'Connect GitHub with `GET /api/integrations/github/install`. As the operator, you can send `projectId` and `metadata.installationID`.';
    throw new Problem('provider_not_supported', advice);
  }
  return {
    provider: 'github' as const,
    installation_id: installationId.data,
    project_id: projectId,
    display_name: name,
  };
}
