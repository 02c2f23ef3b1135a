import type { Db } from '../store/connection.ts';
import { type Page, type PageRequest, pageOf } from '../store/page.ts';
import type { AuditEventRow } from '../store/tables.ts';
import { type TenantScope, within } from '../store/tenant.ts';

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

export type AuditFilter = { action?: string | undefined; target?: string | undefined; actor?: string | undefined };

export async function listAudit(
  db: Db,
  scope: TenantScope,
  page: PageRequest,
  filter: AuditFilter = {},
): Promise<Page<AuditEvent>> {
  const wanted = Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
  // An organization's events are its chain, which is what the index knows.
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
