import { z } from 'zod';
import { type Lease, leaseStatuses, leasesFor, revocationKind } from '../../db/exchange/leases.ts';
import { operationsFor } from '../../db/ops/operations.ts';
import { revokeTokenWorkflowId } from '../../workflows/ids.ts';
import type { Caller } from '../http/caller.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, reply } from '../http/endpoint.ts';
import { epochSeconds, id, PageQuery, pageRequest, toSeconds } from '../http/input.ts';
import { OperationView } from '../http/operation-view.ts';
import { Problem } from '../http/problems.ts';

const LeaseView = z
  .object({
    id: z.string(),
    org_id: z.string(),
    project_id: z.string(),
    integration_id: z.string(),
    app_id: z.string().nullable(),
    build_id: z.string().nullable(),
    purpose: z.string(),
    scope: z.object({
      repositories: z.array(z.string()),
      permissions: z.record(z.string(), z.string()),
      narrowed: z.string().nullable(),
    }),
    holder: z.string(),
    status: z.enum(leaseStatuses),
    outcome: z
      .enum(['revoked', 'expires', 'unconfirmed'])
      .nullable()
      .describe(
        'For a revoked lease: the token is revoked at the provider, expires because other leases share it, or its revocation is not confirmed yet',
      ),
    created_at: epochSeconds,
    expires_at: epochSeconds,
    revoked_at: epochSeconds.nullable(),
  })
  .meta({ id: 'Lease' });

const RevokedLease = LeaseView.extend({ operation: OperationView.optional() }).meta({ id: 'RevokedLease' });

export function leaseRoutes({ database }: Pick<ApiDeps, 'database'>): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/v1/leases',
      operationId: 'listLeases',
      tag: 'credentials',
      summary: 'List leases',
      access: 'integrations:read',
      query: PageQuery.extend({
        project_id: id('prj').optional(),
        integration_id: id('int').optional(),
        build_id: id('bld').optional(),
        status: z.enum(leaseStatuses).optional(),
      }),
      success: { status: 200, body: z.array(LeaseView) },
      async read({ tenant, query: { project_id, integration_id, build_id, status, ...page } }) {
        const filter = { projectId: project_id, integrationId: integration_id, buildId: build_id, status };
        const { items, next } = await leasesFor(database.reader, tenant).list(filter, pageRequest(page));
        return reply({ body: items.map(leaseView), next });
      },
    }),
    endpoint({
      method: 'delete',
      path: '/v1/leases/{lease}',
      operationId: 'revokeLease',
      tag: 'credentials',
      summary: 'Revoke a lease',
      description:
        'Fairlead revokes the credential at its provider unless another active lease shares it. A token for an app or a build can revoke its own leases.',
      access: 'credentials:exchange',
      forNarrow: true,
      params: z.strictObject({ lease: id('lse') }),
      success: { status: 202, body: RevokedLease, description: 'Fairlead revokes the credential at its provider' },
      problems: ['not_found'],
      async write({ trx, tenant, params, caller, audit }) {
        const leases = leasesFor(trx, tenant);
        const lease = await leases.find(params.lease);
        if (!lease || !mayRevoke(caller, lease)) throw new Problem('not_found');
        if (lease.status !== 'active') return reply({ body: leaseView(lease), status: 200 });
        const { id: target, orgId, projectId } = lease;
        const [mintedTokenId] = await leases.revoke({ leaseId: lease.id });
        await audit({ orgId, projectId, action: 'lease.revoked', target });
        const now = (await leases.find(lease.id)) ?? lease;
        if (!mintedTokenId) return reply({ body: leaseView(now), status: 200 });
        const operation = await operationsFor(trx, tenant).insert({
          orgId,
          projectId,
          kind: revocationKind,
          subjectId: mintedTokenId,
          workflowId: revokeTokenWorkflowId(mintedTokenId),
        });
        return reply({ body: leaseView(now), operation });
      },
    }),
  ];
}

function mayRevoke({ narrowedTo, id: holder }: Caller, lease: Lease): boolean {
  return narrowedTo === undefined || lease.holder === holder;
}

function leaseView(lease: Lease): z.input<typeof LeaseView> {
  const { repositories, permissions, narrowed } = lease.scope;
  return {
    id: lease.id,
    org_id: lease.orgId,
    project_id: lease.projectId,
    integration_id: lease.integrationId,
    app_id: lease.appId,
    build_id: lease.buildId,
    purpose: lease.purpose,
    scope: { repositories, permissions, narrowed: narrowed ?? null },
    holder: lease.holder,
    status: lease.status,
    outcome: lease.outcome,
    created_at: toSeconds(lease.createdAt),
    expires_at: toSeconds(lease.expiresAt),
    revoked_at: toSeconds(lease.revokedAt),
  };
}
