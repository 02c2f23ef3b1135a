import { z } from 'zod';
import { type AuditEvent, listAudit } from '../../db/ops/audit.ts';
import { verifyChain } from '../../db/ops/audit-chain.ts';
import { covers } from '../../db/store/tenant.ts';
import type { ApiDeps } from '../http/deps.ts';
import { type Endpoint, endpoint, reply } from '../http/endpoint.ts';
import { epochSeconds, id, PageQuery, pageRequest, toSeconds } from '../http/input.ts';
import { Problem } from '../http/problems.ts';

const AuditView = z
  .object({
    id: z.string(),
    org_id: z.string().nullable(),
    project_id: z.string().nullable(),
    actor: z.string(),
    action: z.string(),
    target: z.string(),
    outcome: z.string(),
    ip: z.string().nullable(),
    request_id: z.string().nullable(),
    detail: z.record(z.string(), z.unknown()),
    created_at: epochSeconds,
    sequence: z
      .int()
      .nullable()
      .describe('The position in the chain. Null until the row is chained, which takes up to a second'),
  })
  .meta({ id: 'AuditEvent' });

const VerdictView = z
  .object({
    chain: z.string(),
    intact: z.boolean(),
    length: z.int(),
    head: z
      .string()
      .describe('The last hash. If you store it elsewhere, you can detect later whether rows were removed'),
    first_bad_sequence: z.int().nullable(),
    unchained: z.int().describe('The number of rows that are not chained yet'),
  })
  .meta({ id: 'AuditVerification' });

const filter = z.string().max(100).optional();

export function auditRoutes({ database }: Pick<ApiDeps, 'database'>): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/v1/audit',
      operationId: 'listAudit',
      tag: 'audit',
      summary: 'List audit events',
      access: 'audit:read',
      query: PageQuery.extend({ action: filter, target: filter, actor: filter }),
      success: { status: 200, body: z.array(AuditView) },
      async read({ tenant, query: { action, target, actor, ...page } }) {
        const wanted = { action, target, actor };
        const { items, next } = await listAudit(database.reader, tenant, pageRequest(page), wanted);
        return reply({ body: items.map(auditView), next });
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/audit/verify',
      operationId: 'verifyAudit',
      tag: 'audit',
      summary: 'Verify the audit chain',
      description:
        'Verifies the chain of an organization. Without `org_id`, it verifies the chain of the instance; only the operator can do that.',
      access: 'audit:read',
      query: z.strictObject({ org_id: id('org').optional() }),
      success: { status: 200, body: VerdictView },
      problems: ['not_found'],
      async read({ tenant, query: { org_id } }) {
        const allowed = org_id === undefined ? tenant.kind === 'everything' : covers(tenant, org_id);
        if (!allowed) throw new Problem('not_found');
        const verdict = await verifyChain(database.reader, org_id ?? 'instance');
        return { ...verdict, first_bad_sequence: verdict.firstBadSequence ?? null };
      },
    }),
  ];
}

function auditView(event: AuditEvent): z.input<typeof AuditView> {
  return {
    ...event,
    org_id: event.orgId,
    project_id: event.projectId,
    request_id: event.requestId,
    created_at: toSeconds(event.createdAt),
  };
}
