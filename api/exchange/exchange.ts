import { z } from 'zod';
import { allLeases } from '../../db/exchange/leases.ts';
import type { Transaction } from '../../db/store/connection.ts';
import { registryPurposes } from '../../domain/registries/registry-purposes.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, reply } from '../http/endpoint.ts';
import { epochSeconds, id, toSeconds } from '../http/input.ts';
import { Problem } from '../http/problems.ts';
import { ExchangeBody, type ExchangeRequest, type MintedCredential, refuseCutOff } from './exchange-request.ts';
import { exchangeGitToken } from './git-token.ts';
import { exchangeImageCredential } from './image-credential.ts';

const TokenScope = z
  .object({
    host_url: z.string().describe('Where it may be sent to'),
    repositories: z.array(z.object({ id: z.string(), full_name: z.string() })),
    permissions: z.record(z.string(), z.string()),
    narrowed: z
      .string()
      .nullable()
      .describe('Why it is less than was asked for: `fork_build`, `blocked_build`, `permission_missing`'),
  })
  .meta({ id: 'GitCredentialScope' });

const ImageScope = z
  .object({
    host: z.string(),
    repositories: z.union([z.array(z.string()), z.literal('*')]).describe('`*`: all that the identity reaches'),
    actions: z.array(z.enum(registryPurposes)),
    narrowed_to: z
      .enum(['repository', 'identity', 'account'])
      .describe('How far the provider could narrow it; what is broader than was asked for says so here'),
    static: z.boolean().describe('It is the stored password itself, which lives until it is replaced'),
    note: z.string().nullable(),
  })
  .meta({ id: 'ImageCredentialScope' });

const ExchangeView = z
  .object({
    token: z.string().optional().describe('With the format `bearer`'),
    username: z.string().optional().describe('With the format `basic`'),
    password: z.string().optional(),
    env: z.record(z.string(), z.string()).optional().describe('With the format `env`: for git and gh, or for Docker'),
    docker_config: z
      .object({ auths: z.record(z.string(), z.object({ auth: z.string() })) })
      .optional()
      .describe('With the format `docker_config`: what belongs into a `config.json`'),
    expires_at: epochSeconds.describe('A stored password lives on after that; ask again all the same'),
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
      summary: 'Get a short-lived credential for a provider',
      description:
        'It is good for the named repositories and for what the purpose needs, for an hour at most unless more was asked for. Where a provider cannot narrow it so far, `effective_scope` says how far it goes. It is in this answer and nowhere else; the lease remembers who has it. Those of one project who ask for the same share one.',
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
        'integration_missing',
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
      async write({ trx, caller, prepared, audit }) {
        const { project, issuer, purpose, appId, buildId, expiresAt, scope } = prepared;
        await requireClaim(trx, prepared);
        const lease = await allLeases(trx).insert({
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
    if (claimed === 'over') throw new Problem('invalid_transition', 'The build has ended.');
    if (claimed === 'gone') throw new Problem('unavailable', 'The token was revoked meanwhile: ask again.');
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
