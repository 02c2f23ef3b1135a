import { z } from 'zod';
import { type AuditEvent, listAudit } from '../../db/ops/audit.ts';
import { type KeptHead, verifyChain } from '../../db/ops/verify-chain.ts';
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
    finding: z
      .enum(['intact', 'changed', 'cut'])
      .describe('`changed`: a row is not as Fairlead wrote it. `cut`: rows are missing'),
    detail: z.string().nullable().describe('What is wrong, in one sentence'),
    length: z.int().describe('The number of rows that were checked'),
    head: z.string().describe('The position and hash of the last row. Keep it elsewhere, and send it as `head` later'),
    first_bad_sequence: z.int().nullable(),
    first_bad_event: z.string().nullable().describe('The id of the row that was changed'),
    unchained: z.int().describe('The number of rows that are not chained yet'),
  })
  .meta({ id: 'AuditVerification' });

const filter = z.string().max(100).optional();

/** A `head` of an earlier response. */
const keptHead = z
  .string()
  .regex(/^\d{1,15}:([\w-]{1,32}\.[0-9a-f]{64})?$/, 'must be a `head` from an earlier response')
  .transform((text): KeptHead => {
    const [sequence = '', hash = ''] = text.split(':');
    return { sequence: Number(sequence), hash };
  })
  .describe('A `head` that an earlier response or the log of Fairlead has shown');

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
        'Verifies the chain of an organization. Without `org_id`, it verifies the chain of the instance; only the operator can do that. With `head`, it also compares the chain with a head that you kept: an older copy of the database has no such row.',
      access: 'audit:read',
      query: z.strictObject({ org_id: id('org').optional(), head: keptHead.optional() }),
      success: { status: 200, body: VerdictView },
      problems: ['not_found'],
      async read({ tenant, query: { org_id, head } }) {
        const allowed = org_id === undefined ? tenant.kind === 'everything' : covers(tenant, org_id);
        if (!allowed) throw new Problem('not_found');
        const { firstBadSequence, firstBadId, detail, ...verdict } = await verifyChain(
          database.reader,
          org_id ?? 'instance',
          head,
        );
        return {
          ...verdict,
          intact: verdict.finding === 'intact',
          detail: detail ?? null,
          head: `${verdict.length}:${verdict.head}`,
          first_bad_sequence: firstBadSequence ?? null,
          first_bad_event: firstBadId ?? null,
        };
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
