import type { Context } from 'koa';
import { z } from 'zod';
import type { Db } from '../../db/store/connection.ts';
import { deletedIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, Reply, type ReplyParts, reply } from '../http/endpoint.ts';
import { check, exampleId, id, name, PageQuery } from '../http/input.ts';
import { jsonValue } from '../http/json-value.ts';
import { Problem } from '../http/problems.ts';
import { NewCredentials } from '../registries/registry-input.ts';
import { DialectIntegration, inDialect, withoutOurs } from './dialect-view.ts';
import { type IntegrationView, kinds, NewIntegration as NewIntegrationOfV1 } from './integrations.ts';

type V1 = z.input<typeof IntegrationView>;

const tag = 'dialect of /api/integrations';
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
        'Of `github`: `installationID`, GitHub’s number of the installation. Of a registry: `registry`, its host, and for `ecr`, `gar` and `acr` `cloudAccountID`',
      ),
    credentials: credentials
      .optional()
      .describe('Of `dockerhub` and `oci`: `username` and `password`. Are never returned'),
    projectId: id('prj')
      .optional()
      .describe('Whose it will be; needed for `github`, and by who reaches several projects'),
    orgId: id('org').optional().describe('Of a registry, instead: of the whole organization'),
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
      .describe('The caller’s own, replaced as a whole; what the integration is known by stays'),
    credentials: credentials
      .optional()
      .describe('Of `dockerhub` and `oci`: a new `password`, and a `username` where that changes too'),
  })
  .meta({ id: 'DialectIntegrationChange', examples: [{ name: 'Images of Acme' }] });
const Install = z.strictObject({
  ticket: z.string().optional(),
  projectId: id('prj').optional(),
  orgId: id('org').optional(),
  redirectUrl: z.string().optional(),
});

/**
 * The routes of another product's page, for platforms that speak them: the handlers of `/v1` under other addresses
 * and in other words. Whatever they may not do there they may not do here.
 */
export function dialectRoutes({ database }: Pick<ApiDeps, 'database'>, v1: Endpoint[]): Endpoint[] {
  const same = sameAs(v1);

  const update = (method: 'patch' | 'put', operationId: string) =>
    endpoint({
      method,
      path: '/api/integrations/{integration}',
      operationId,
      tag,
      etag: true,
      summary: 'Rename an integration, replace its metadata or, of a registry, its credentials',
      access: same('updateIntegration').access,
      params: Params,
      body: Changes,
      success: { status: 200, body: One },
      problems: same('updateIntegration').problems ?? [],
      async write(request) {
        const { credentials, metadata, name: displayName } = request.body;
        const body = {
          ...(displayName !== undefined && { display_name: displayName }),
          ...(metadata && { metadata: withoutOurs(metadata) }),
          ...(credentials && { credentials: check('body.credentials', NewCredentials, credentials) }),
        };
        const done = await same('updateIntegration').write?.({ ...request, body, prepared: undefined });
        return one(request.trx, done);
      },
    });

  return [
    endpoint({
      method: 'get',
      path: '/api/integrations',
      operationId: 'listIntegrationsInDialect',
      tag,
      summary: 'List integrations',
      description: 'Up to 200, and the rest by `Link`.',
      access: same('listIntegrations').access,
      query: PageQuery.extend({
        limit: PageQuery.shape.limit.unwrap().default(200),
        kind: z.enum(kinds).optional(),
      }),
      success: { status: 200, body: z.object({ data: z.array(DialectIntegration) }) },
      async read(request) {
        const { body, ...parts } = partsOf(await same('listIntegrations').read?.(request));
        const views = (body as V1[]).filter(isThere);
        return reply({ ...parts, body: { data: await inDialect(database.reader, views) } });
      },
    }),
    endpoint({
      method: 'post',
      path: '/api/integrations',
      operationId: 'createIntegrationInDialect',
      tag,
      etag: true,
      summary: 'Create an integration by hand',
      description:
        'Of `github`, an installation of the operator’s App, by who operates the instance; all others connect by `GET /api/integrations/github/install`. A registry is verified afterwards.',
      access: same('createIntegration').access,
      body: NewIntegration,
      success: { status: 201, body: One },
      problems: same('createIntegration').problems ?? [],
      async prepare(request) {
        const body = toNew(request.body);
        return { body, prepared: await same('createIntegration').prepare?.({ ...request, body }) };
      },
      async write({ prepared: { body, prepared }, ...request }) {
        return one(request.trx, await same('createIntegration').write?.({ ...request, body, prepared }));
      },
    }),
    endpoint({
      method: 'get',
      path: '/api/integrations/{integration}',
      operationId: 'getIntegrationInDialect',
      tag,
      etag: true,
      summary: 'Read an integration',
      access: same('getIntegration').access,
      params: Params,
      success: { status: 200, body: One },
      async read(request) {
        const { body: view, ...parts } = partsOf(await same('getIntegration').read?.(request));
        if (!isThere(view as V1)) throw new Problem('not_found');
        return reply({ ...parts, body: { data: (await inDialect(database.reader, [view as V1]))[0] } });
      },
    }),
    update('patch', 'updateIntegrationInDialect'),
    update('put', 'replaceIntegrationInDialect'),
    endpoint({
      method: 'delete',
      path: '/api/integrations/{integration}',
      operationId: 'deleteIntegrationInDialect',
      tag,
      summary: 'Delete an integration, and revoke what it has at its provider',
      description:
        'Takes effect with the answer. An installation is uninstalled at GitHub with the last integration on it; `GET /v1/operations/{operationId}` says what became of that.',
      access: same('deleteIntegration').access,
      params: Params,
      success: {
        status: 202,
        body: z.object({ data: z.object({ id: z.string(), operationId: z.string().optional() }) }),
      },
      problems: same('deleteIntegration').problems ?? [],
      async write(request) {
        const query = same('deleteIntegration').query?.parse({});
        const done = await same('deleteIntegration').write?.({ ...request, query, prepared: undefined });
        return { data: { id: request.params.integration, operationId: partsOf(done).operation?.id } };
      },
    }),
    endpoint({
      method: 'get',
      path: '/api/integrations/github/install',
      operationId: 'getGithubInstallInDialect',
      tag,
      summary: 'Install the operator’s App, in a browser',
      description: same('getGithubInstall').description ?? '',
      access: 'public',
      query: Install,
      success: { status: 302, description: 'To GitHub' },
      problems: same('getGithubInstall').problems ?? [],
      async raw(ctx, tools) {
        const { ticket, projectId, orgId, redirectUrl, ...others } = ctx.query;
        const asked = { ...others, ticket, project_id: projectId, org_id: orgId, redirect_url: redirectUrl };
        ctx.query = Object.fromEntries(
          Object.entries(asked).filter(([, value]) => value !== undefined),
        ) as typeof ctx.query;
        await same('getGithubInstall').raw?.(ctx, tools);
        if (ctx.status === 200 && ctx.type === 'application/json') {
          const { url } = JSON.parse(String(ctx.body)) as { url: string };
          ctx.body = JSON.stringify({ url });
          ctx.type = 'application/json';
        }
      },
    }),
    endpoint({
      method: 'get',
      path: '/api/integrations/github/callback',
      operationId: 'getGithubCallbackInDialect',
      tag,
      summary: 'Where GitHub may send the browser back to, for the operator’s App',
      description: same('getGithubCallback').description ?? '',
      access: 'public',
      ...(same('getGithubCallback').query && { query: same('getGithubCallback').query }),
      success: same('getGithubCallback').success,
      problems: same('getGithubCallback').problems ?? [],
      // An installation without a code is the same for every App; a code is for the operator's App only.
      raw: (ctx: Context, tools) =>
        same(ctx.query['code'] === undefined ? 'getGithubInstalled' : 'getGithubCallback').raw?.(ctx, tools) ??
        Promise.resolve(),
    }),
  ];
}

/** Finds the routes of `/v1` whose handlers are presented here; they are given what their own schema lets through. */
function sameAs(v1: Endpoint[]) {
  const byName = new Map(v1.map((one) => [one.operationId, checked(one)]));
  return (operationId: string): Endpoint => {
    const found = byName.get(operationId);
    if (!found) throw new Error(`There is no operation ${operationId} to present`);
    return found;
  };
}

function checked(one: Endpoint): Endpoint {
  const { body, prepare, write } = one;
  if (!body) return one;
  return {
    ...one,
    ...(prepare && { prepare: async (request) => prepare({ ...request, body: check('body', body, request.body) }) }),
    ...(write && { write: async (request) => write({ ...request, body: check('body', body, request.body) }) }),
  };
}

/** Whatever was made or changed. The dialect has no operations, so nobody waits for one. */
async function one(db: Db, done: unknown): Promise<Reply> {
  const { body: view, operation: _, renew: __, ...parts } = partsOf(done);
  return reply({ ...parts, body: { data: (await inDialect(db, [view as V1]))[0] } });
}

function partsOf(done: unknown): ReplyParts {
  return done instanceof Reply ? done.parts : { body: done };
}

/** The dialect has no status to tell that one is being deleted. */
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
      'Connect GitHub by `GET /api/integrations/github/install`; or, operating the instance, send `projectId` and `metadata.installationID`.';
    throw new Problem('provider_not_supported', advice);
  }
  return {
    provider: 'github' as const,
    installation_id: installationId.data,
    project_id: projectId,
    display_name: name,
  };
}
