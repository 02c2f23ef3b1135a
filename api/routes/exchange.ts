import { z } from 'zod';
import { CutOff, TooShortLived } from '../../broker/issuance.ts';
import { leasesIn } from '../../db/leases.ts';
import { everything } from '../../db/tenant.ts';
import { askProvider, ofTokens } from '../ask-provider.ts';
import type { ApiDeps } from '../deps.ts';
import { type Endpoint, endpoint, reply } from '../endpoint.ts';
import { ExchangeBody, refuseCutOff, resolveExchange } from '../exchange-request.ts';
import { epochSeconds, id, toSeconds } from '../input.ts';
import { Problem } from '../problems.ts';
import { formatToken } from '../token-formats.ts';

const EffectiveScope = z.object({
  repositories: z.array(z.object({ id: z.string(), full_name: z.string() })),
  permissions: z.record(z.string(), z.string()),
  narrowed: z
    .string()
    .nullable()
    .describe('Why it is less than was asked for: `fork_build`, `blocked_build`, `permission_missing`'),
});

const ExchangeView = z.object({
  token: z.string().optional().describe('With the format `bearer`'),
  username: z.string().optional().describe('With the format `basic`'),
  password: z.string().optional(),
  env: z.record(z.string(), z.string()).optional().describe('With the format `env`: for git and gh'),
  expires_at: epochSeconds,
  effective_scope: EffectiveScope,
  lease_id: z.string(),
  integration_id: z.string(),
  code: z.string().optional(),
});

export function exchangeRoutes({ database, exchange }: Pick<ApiDeps, 'database' | 'exchange'>): Endpoint[] {
  return [
    endpoint({
      method: 'post',
      path: '/v1/projects/{project}/credentials/exchange',
      operationId: 'exchangeCredentials',
      tag: 'credentials',
      summary: 'Get a short-lived token for a provider',
      description:
        'The token is good for the named repositories and for what the purpose needs, for an hour at most. It is in this answer and nowhere else; the lease remembers who has it. Those of one project who ask for the same share a token.',
      access: 'credentials:exchange',
      forNarrow: true,
      grouped: true,
      params: z.strictObject({ project: id('prj') }),
      body: ExchangeBody,
      success: { status: 200, body: ExchangeView },
      secret: ['token', 'password', 'env'],
      problems: [
        'not_found',
        'source_missing',
        'ambiguous_integration',
        'integration_missing',
        'no_integration',
        'integration_deleted',
        'integration_unusable',
        'invalid_transition',
        'provider_not_supported',
        'repository_not_reachable',
        'permission_missing',
        'min_ttl_too_long',
        'provider_unavailable',
      ],
      async prepare({ tenant, caller, params, body }) {
        const resolved = await resolveExchange(database, { tenant, caller, projectId: params.project, body });
        const minted = await askProvider(() => exchange.get(resolved.wanted), ofTokens).catch((error: unknown) => {
          if (error instanceof CutOff) return refuseCutOff(database.reader, resolved);
          if (error instanceof TooShortLived)
            throw new Problem('min_ttl_too_long', 'The provider gives none that lives so long.');
          throw error;
        });
        return { resolved, minted };
      },
      async write({ trx, caller, body, prepared: { resolved, minted }, audit }) {
        const { project, wanted, repositories, hostUrl, purpose, appId, narrowed } = resolved;
        const { issuer, buildId } = wanted;
        const claimed = await exchange.claim(trx, wanted, minted);
        if (claimed === 'cut_off') {
          // After this transaction, which it would otherwise wait for.
          exchange.discard(minted).catch(() => {});
          return refuseCutOff(trx, resolved);
        }
        if (claimed === 'over') throw new Problem('invalid_transition', 'The build has ended.');
        if (claimed === 'gone') throw new Problem('unavailable', 'The token was revoked meanwhile: ask again.');
        const { permissions, expiresAt } = minted;
        const lease = await leasesIn(trx, everything).insert({
          orgId: project.orgId,
          projectId: project.id,
          integrationId: issuer.id,
          appId,
          buildId,
          mintedTokenId: minted.id,
          purpose,
          scope: { repositories: repositories.map((one) => one.id), permissions, ...(narrowed && { narrowed }) },
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
            repositories: lease.scope.repositories.slice(0, 20).join(' '),
            permissions: wordsOf(permissions),
            ...(buildId && { build: buildId }),
          },
        });
        return reply({
          body: {
            ...formatToken(body.format, minted.token, hostUrl),
            expires_at: toSeconds(expiresAt),
            effective_scope: {
              repositories: repositories.map((one) => ({ id: one.id, full_name: one.fullName })),
              permissions,
              narrowed: narrowed ?? null,
            },
            lease_id: lease.id,
            integration_id: lease.integrationId,
          },
          headers: { 'cache-control': 'no-store' },
        });
      },
    }),
  ];
}

function wordsOf(permissions: Record<string, string>): string {
  return Object.entries(permissions)
    .map(([name, level]) => `${name}:${level}`)
    .sort()
    .join(' ');
}
