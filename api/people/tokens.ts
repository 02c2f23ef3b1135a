import { z } from 'zod';
import { type App, appsFor } from '../../db/builds/apps.ts';
import { allOrgs, type orgsFor } from '../../db/people/orgs.ts';
import { holdOwner, projectsFor } from '../../db/people/projects.ts';
import { type ApiToken, tokensFor } from '../../db/people/tokens.ts';
import { covers } from '../../db/store/tenant.ts';
import { scopes } from '../../domain/people/scopes.ts';
import { scopesIn } from '../http/caller.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, reply } from '../http/endpoint.ts';
import {
  CreatedBy,
  creatorOf,
  epochSeconds,
  exampleId,
  id,
  name,
  PageQuery,
  pageRequest,
  toSeconds,
} from '../http/input.ts';
import { Problem, required } from '../http/problems.ts';
import { endOfNewToken, requireRoomForToken } from './token-bounds.ts';

const TokenView = z
  .object({
    id: z.string(),
    org_id: z.string(),
    project_id: z.string().nullable(),
    app_id: z.string().nullable(),
    build_id: z.string().nullable(),
    name: z.string(),
    hint: z.string().describe('The first characters of the token'),
    scopes: z.array(z.string()),
    created_by: CreatedBy,
    created_at: epochSeconds,
    expires_at: epochSeconds.nullable(),
    last_used_at: epochSeconds.nullable(),
  })
  .meta({ id: 'Token' });

const CreatedToken = TokenView.extend({ token: z.string().optional(), code: z.string().optional() }).meta({
  id: 'CreatedToken',
});

/** The scopes that a token can have. A token cannot operate the instance, because `FAIRLEAD_ADMIN_TOKEN` does that. */
const tokenScopes = scopes.filter((scope) => scope !== 'ops');

const NewToken = z
  .strictObject({
    org_id: id('org'),
    project_id: id('prj').optional().describe('Limits the token to one project'),
    app_id: id('app')
      .optional()
      .describe('Limits the token to one app. It can then have only the scope `credentials:exchange`'),
    name,
    scopes: z.array(z.enum(tokenScopes as [string, ...string[]])).min(1),
    expires_in_days: z.int().min(1).max(3650).optional(),
  })
  .meta({
    id: 'NewToken',
    examples: [
      {
        org_id: exampleId('org'),
        project_id: exampleId('prj'),
        name: 'deploy',
        scopes: ['builds:read', 'builds:trigger'],
        expires_in_days: 90,
      },
    ],
  });

export function tokenRoutes({ database }: Pick<ApiDeps, 'database'>): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/v1/tokens',
      operationId: 'listTokens',
      tag: 'tokens',
      summary: 'List API tokens',
      access: 'tokens:admin',
      query: PageQuery,
      success: { status: 200, body: z.array(TokenView) },
      async read({ tenant, query }) {
        const { items, next } = await tokensFor(database.reader, tenant).list(pageRequest(query));
        return reply({ body: items.map(tokenView), next });
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/tokens',
      operationId: 'createToken',
      tag: 'tokens',
      summary: 'Create an API token',
      description:
        'Only this response contains the token. You cannot give it more scopes than you have. A token that another token creates ends when that token expires or is revoked. An organization can have up to 1,000 tokens.',
      access: 'tokens:admin',
      body: NewToken,
      success: { status: 201, body: CreatedToken },
      secret: ['token', 'csrf_token'],
      problems: ['not_found', 'too_many_requests'],
      async write({ trx, tenant, caller, body, audit }) {
        const { org_id: orgId } = body;
        const app = body.app_id === undefined ? undefined : await requireApp(trx, tenant, body);
        const projectId = app?.projectId ?? body.project_id;
        await requireOwner(trx, tenant, orgId, projectId);
        const allowed = scopesIn(caller, orgId, projectId);
        const wanted = tokenScopes.filter((scope) => body.scopes.includes(scope));
        const beyond = wanted.filter((scope) => !allowed.has(scope));
        if (beyond.length > 0) {
          throw new Problem(
            'missing_scope',
            `You cannot give a token a scope that you do not have: ${beyond.join(', ')}.`,
          );
        }
        await requireRoomForToken(trx, { orgId });
        const end = body.expires_in_days === undefined ? null : Date.now() + body.expires_in_days * 86_400_000;
        const { token, secret } = await tokensFor(trx, tenant).insert({
          orgId,
          projectId: projectId ?? null,
          appId: app?.id ?? null,
          name: body.name,
          scopes: wanted,
          createdBy: caller.id,
          expiresAt: await endOfNewToken(trx, caller, end),
        });
        await audit({
          orgId,
          projectId,
          action: 'token.created',
          target: token.id,
          detail: { scopes: wanted.join(' '), ...(app && { app: app.id }) },
        });
        return { ...tokenView(token), token: secret };
      },
    }),
    endpoint({
      method: 'delete',
      path: '/v1/tokens/{token}',
      operationId: 'revokeToken',
      tag: 'tokens',
      summary: 'Revoke an API token',
      description: 'The next request with the token is rejected. Tokens that it created are also revoked.',
      access: 'tokens:admin',
      params: z.strictObject({ token: id('tok') }),
      success: { status: 204 },
      async write({ trx, tenant, params, audit }) {
        const tokens = tokensFor(trx, tenant);
        const token = required(await tokens.find(params.token));
        for (const { id: target, orgId, projectId } of await tokens.revoke(token.id)) {
          const detail = target === token.id ? {} : { detail: { revoked_with: token.id } };
          await audit({ orgId, projectId, action: 'token.revoked', target, ...detail });
        }
      },
    }),
  ];
}

async function requireOwner(
  trx: Parameters<typeof orgsFor>[0],
  tenant: Parameters<typeof orgsFor>[1],
  orgId: string,
  projectId: string | undefined,
): Promise<void> {
  const org = covers(tenant, orgId, projectId) && (await allOrgs(trx).find(orgId));
  const project = projectId === undefined ? undefined : await projectsFor(trx, tenant).find(projectId);
  const isKnown = org && (projectId === undefined || project?.orgId === orgId);
  if (!isKnown || !(await holdOwner(trx, { orgId, projectId }))) throw new Problem('not_found');
}

/** Returns the app of a narrowed token. Such a token can have only the scopes that narrowed routes accept. */
async function requireApp(
  trx: Parameters<typeof orgsFor>[0],
  tenant: Parameters<typeof orgsFor>[1],
  { app_id, project_id, scopes: wanted }: z.output<typeof NewToken>,
): Promise<App> {
  const app = await appsFor(trx, tenant).find(app_id ?? '');
  if (!app || (project_id !== undefined && app.projectId !== project_id)) throw new Problem('not_found');
  if (wanted.some((scope) => scope !== 'credentials:exchange')) {
    throw new Problem('invalid_request', 'A token for one app can only have the scope `credentials:exchange`.', {
      errors: [{ path: 'body.scopes', message: 'must be ["credentials:exchange"] if you send `app_id`' }],
    });
  }
  return app;
}

function tokenView(token: ApiToken): z.input<typeof TokenView> {
  return {
    id: token.id,
    org_id: token.orgId,
    project_id: token.projectId,
    app_id: token.appId,
    build_id: token.buildId,
    name: token.name,
    hint: token.hint,
    scopes: token.scopes,
    created_by: creatorOf(token.createdBy),
    created_at: toSeconds(token.createdAt),
    expires_at: toSeconds(token.expiresAt),
    last_used_at: toSeconds(token.lastUsedAt),
  };
}
