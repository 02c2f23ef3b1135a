import { z } from 'zod';
import { buildsFor } from '../../db/builds/builds.ts';
import { tokensFor } from '../../db/people/tokens.ts';
import { isFinalBuildStatus } from '../../domain/builds/build-status.ts';
import { scopesIn } from '../http/caller.ts';
import { type Endpoint, endpoint } from '../http/endpoint.ts';
import { epochSeconds, id, toSeconds } from '../http/input.ts';
import { Problem, required } from '../http/problems.ts';
import { endOfNewToken, requireRoomForToken } from '../people/token-bounds.ts';

const BuildTokenView = z
  .object({
    id: z.string(),
    build_id: z.string(),
    app_id: z.string(),
    project_id: z.string(),
    scopes: z.array(z.string()),
    expires_at: epochSeconds,
    token: z.string().optional(),
    code: z.string().optional(),
  })
  .meta({ id: 'BuildToken' });

/** The only scope of a build token. */
const buildScopes = ['credentials:exchange'] as const;

export function buildTokenRoutes(): Endpoint[] {
  return [
    endpoint({
      method: 'post',
      path: '/v1/builds/{build}/token',
      operationId: 'createBuildToken',
      tag: 'builds',
      summary: 'Create a token for a build',
      description:
        'The token can only exchange credentials for this build, its app and its repository. It ends with the build, at the time limit of the pipeline, or with the token that created it. A build can have up to 100 tokens. Only this response contains the token.',
      access: 'builds:trigger',
      params: z.strictObject({ build: id('bld') }),
      success: { status: 201, body: BuildTokenView },
      secret: ['token'],
      problems: ['not_found', 'invalid_transition', 'too_many_requests'],
      async write({ trx, tenant, caller, params, audit }) {
        const build = required(await buildsFor(trx, tenant).find(params.build));
        const { orgId, projectId, appId } = build;
        const lacking = buildScopes.filter((scope) => !scopesIn(caller, orgId, projectId).has(scope));
        if (lacking.length > 0)
          throw new Problem(
            'missing_scope',
            `You cannot give a token a scope that you do not have: ${lacking.join(', ')}.`,
          );
        if (isFinalBuildStatus(build.status)) {
          throw new Problem('invalid_transition', `The build has already ended with the status ${build.status}.`);
        }
        await requireRoomForToken(trx, { buildId: build.id });
        const expiresAt = await endOfNewToken(trx, caller, Date.now() + build.pipeline.timeoutMinutes * 60_000);
        const { token, secret } = await tokensFor(trx, tenant).insert({
          orgId,
          projectId,
          appId,
          buildId: build.id,
          name: build.id,
          scopes: [...buildScopes],
          createdBy: caller.id,
          expiresAt,
        });
        const detail = { build: build.id, scopes: buildScopes.join(' ') };
        await audit({ orgId, projectId, action: 'token.created', target: token.id, detail });
        return {
          id: token.id,
          build_id: build.id,
          app_id: appId,
          project_id: projectId,
          scopes: token.scopes,
          expires_at: toSeconds(expiresAt),
          token: secret,
        };
      },
    }),
  ];
}
