import { newId } from '../../domain/ids.ts';
import { auditKeysOf } from '../store/audit-keys.ts';
import type { Db } from '../store/connection.ts';
import { type Page, type PageRequest, pageOf } from '../store/page.ts';
import type { AuditEventRow } from '../store/tables.ts';
import { type TenantScope, within } from '../store/tenant.ts';
import { wake } from '../store/wakes.ts';
import { contentOf } from './audit-chain.ts';

/** Who did what to which object. Holds no secrets, no tokens and no free text from a provider. */
export type AuditEntry = {
  /** Null if the event belongs to the whole instance. */
  orgId: string | null;
  projectId?: string | null | undefined;
  /** `user:user_…`, `token:tok_…`, `integration:int_…`, `operator` or `system`. */
  actor: string;
  /** `noun.verb`, in the past tense: `pipeline.created`. */
  action: string;
  /** The ID of the object that was acted on. */
  target: string;
  outcome?: 'succeeded' | 'refused' | 'failed';
  ip?: string | undefined;
  requestId?: string | undefined;
  detail?: Record<string, string | number | boolean | null>;
};

/**
 * Appends to the audit log in the transaction of the action. If the event cannot be recorded, the action does not
 * happen.
 */
export async function appendAudit(trx: Db, ...entries: AuditEntry[]): Promise<void> {
  if (entries.length === 0) return;
  const now = Date.now();
  const keys = auditKeysOf(trx);
  const rows = entries.map((entry) => {
    const row = {
      id: newId('aud'),
      chain: entry.orgId ?? 'instance',
      org_id: entry.orgId,
      project_id: entry.projectId ?? null,
      actor: entry.actor,
      action: entry.action,
      target: entry.target,
      outcome: entry.outcome ?? 'succeeded',
      ip: entry.ip ?? null,
      request_id: entry.requestId ?? null,
      detail: JSON.stringify(entry.detail ?? {}),
      created_at: now,
    };
    return { ...row, mac: keys.sign(contentOf(row)), sequence: null, previous_hash: null, hash: null };
  });
  await trx('audit_events').insert(rows);
  wake(trx, 'audit');
}

export type AuditEvent = {
  id: string;
  orgId: string | null;
  projectId: string | null;
  actor: string;
  action: string;
  target: string;
  outcome: string;
  ip: string | null;
  requestId: string | null;
  detail: Record<string, unknown>;
  createdAt: number;
  sequence: number | null;
};

type AuditFilter = { action?: string | undefined; target?: string | undefined; actor?: string | undefined };

export async function listAudit(
  db: Db,
  scope: TenantScope,
  page: PageRequest,
  filter: AuditFilter = {},
): Promise<Page<AuditEvent>> {
  const wanted = Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
  // An organization's events have its ID as their chain, and the index covers the chain.
  const rows = within(scope, db('audit_events'), { org: 'chain', project: 'project_id' });
  return pageOf<AuditEventRow, AuditEvent>(rows.where(wanted), page, toAuditEvent);
}

function toAuditEvent(row: AuditEventRow): AuditEvent {
  return {
    id: row.id,
    orgId: row.org_id,
    projectId: row.project_id,
    actor: row.actor,
    action: row.action,
    target: row.target,
    outcome: row.outcome,
    ip: row.ip,
    requestId: row.request_id,
    detail: JSON.parse(row.detail),
    createdAt: row.created_at,
    sequence: row.sequence,
  };
}
