import { z } from 'zod';
import { leasesFor } from '../../db/exchange/leases.ts';
import type { Transaction } from '../../db/store/connection.ts';
import { registryPurposes } from '../../domain/registries/registry-purposes.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, reply } from '../http/endpoint.ts';
import { epochSeconds, id, toSeconds } from '../http/input.ts';
import { Outdated, Problem } from '../http/problems.ts';
import { ExchangeBody, type ExchangeRequest, type MintedCredential, refuseCutOff } from './exchange-request.ts';
import { exchangeGitToken } from './git-token.ts';
import { exchangeImageCredential } from './image-credential.ts';

const TokenScope = z
  .object({
    host_url: z.string().describe('The host to which you can send the credential'),
    repositories: z.array(z.object({ id: z.string(), full_name: z.string() })),
    permissions: z.record(z.string(), z.string()),
    narrowed: z
      .string()
      .nullable()
      .describe(
        'Why the credential has less access than you requested: `fork_build`, `blocked_build` or `permission_missing`',
      ),
  })
  .meta({ id: 'GitCredentialScope' });

const ImageScope = z
  .object({
    host: z.string(),
    repositories: z
      .union([z.array(z.string()), z.literal('*')])
      .describe('`*` means all repositories that the identity can access'),
    actions: z.array(z.enum(registryPurposes)),
    narrowed_to: z
      .enum(['repository', 'identity', 'account'])
      .describe('How far the provider could limit the credential. It can be broader than you requested'),
    static: z.boolean().describe('Whether this is the stored password itself, which stays valid until you replace it'),
    note: z.string().nullable(),
  })
  .meta({ id: 'ImageCredentialScope' });

const ExchangeView = z
  .object({
    token: z.string().optional().describe('Only with the format `bearer`'),
    username: z.string().optional().describe('Only with the format `basic`'),
    password: z.string().optional(),
    env: z
      .record(z.string(), z.string())
      .optional()
      .describe('Only with the format `env`: variables for git and gh, or for Docker'),
    docker_config: z
      .object({ auths: z.record(z.string(), z.object({ auth: z.string() })) })
      .optional()
      .describe('Only with the format `docker_config`: the content of a `config.json`'),
    expires_at: epochSeconds.describe(
      'When you must request the credential again, even if a stored password stays valid',
    ),
    effective_scope: z.union([TokenScope, ImageScope]),
    lease_id: z.string(),
    integration_id: z.string(),
    code: z.string().optional(),
  })
  .meta({ id: 'ExchangedCredential' });

type Deps = Pick<ApiDeps, 'database' | 'gitTokens' | 'imageCredentials'>;

export function exchangeRoutes(deps: Deps): Endpoint[] {
  return [
    endpoint({
      method: 'post',
      path: '/v1/projects/{project}/credentials/exchange',
      operationId: 'exchangeCredentials',
      tag: 'credentials',
      summary: 'Get a short-lived credential',
      description:
        'The credential is limited to the repositories that you name and to your purpose. It is valid for at most an hour unless you request more. If the provider cannot limit it that far, `effective_scope` says what it allows. Only this response contains the credential. The lease records who holds it. Equal requests of a project share one credential.',
      access: 'credentials:exchange',
      forNarrow: true,
      grouped: true,
      params: z.strictObject({ project: id('prj') }),
      body: ExchangeBody,
      success: { status: 200, body: ExchangeView },
      secret: ['token', 'password', 'env', 'docker_config'],
      problems: [
        'build_not_vouched',
        'not_found',
        'source_missing',
        'registry_missing',
        'issuer_not_public',
        'ambiguous_integration',
        'no_integration',
        'integration_deleted',
        'integration_unusable',
        'invalid_transition',
        'provider_not_supported',
        'host_not_allowed',
        'repository_not_reachable',
        'permission_missing',
        'credential_rejected',
        'min_ttl_too_long',
        'provider_unavailable',
      ],
      prepare: ({ tenant, caller, params, body }) =>
        exchange(deps, { tenant, caller, projectId: params.project, body }),
      async write({ trx, tenant, caller, prepared, audit }) {
        const { project, issuer, purpose, appId, buildId, expiresAt, scope } = prepared;
        await requireClaim(trx, prepared);
        const lease = await leasesFor(trx, tenant).insert({
          orgId: project.orgId,
          projectId: project.id,
          integrationId: issuer.id,
          appId,
          buildId,
          mintedTokenId: prepared.mintedTokenId,
          purpose,
          scope,
          holder: caller.id,
          expiresAt,
        });
        await audit({
          orgId: project.orgId,
          projectId: project.id,
          action: 'credentials.exchanged',
          target: lease.id,
          detail: {
            integration: issuer.id,
            purpose,
            repositories: scope.repositories.slice(0, 20).join(' '),
            permissions: wordsOf(scope.permissions),
            ...(buildId && { build: buildId }),
          },
        });
        return reply({
          body: {
            ...prepared.members,
            expires_at: toSeconds(expiresAt),
            effective_scope: prepared.effective,
            lease_id: lease.id,
            integration_id: lease.integrationId,
          },
          headers: { 'cache-control': 'no-store' },
        });
      },
    }),
  ];

  /** Throws if no lease may be issued on the credential any more. */
  async function requireClaim(trx: Transaction, { claim, discard, issuer, kinds }: MintedCredential): Promise<void> {
    const claimed = await claim(trx);
    if (claimed === 'cut_off') {
      // It runs after this transaction, because it would wait for it.
      discard().catch(() => {});
      return refuseCutOff(trx, issuer, kinds);
    }
    if (claimed === 'over') throw new Problem('invalid_transition', 'The build has already ended.');
    if (claimed === 'gone') throw new Outdated('unavailable', 'The token was just revoked. Send the request again.');
  }

  async function exchange(by: Deps, request: ExchangeRequest): Promise<MintedCredential> {
    const { purpose } = request.body;
    if (purpose === 'pull' || purpose === 'push') return exchangeImageCredential(by, request, purpose);
    return exchangeGitToken(by, request, purpose);
  }
}

function wordsOf(permissions: Record<string, string>): string {
  return Object.entries(permissions)
    .map(([name, level]) => `${name}:${level}`)
    .sort()
    .join(' ');
}
