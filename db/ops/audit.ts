import { newId } from '../../domain/ids.ts';
import type { Db } from '../store/connection.ts';
import { wake } from '../store/wakes.ts';

/** Who did what to which thing. No secret, no token, no free text of a provider. */
export type AuditEntry = {
  /** None for what belongs to the instance as a whole. */
  orgId: string | null;
  projectId?: string | null | undefined;
  /** `user:user_…`, `token:tok_…`, `integration:int_…`, `operator` or `system`. */
  actor: string;
  /** `noun.verb`, in the past: `pipeline.created`. */
  action: string;
  /** The id of what it was done to. */
  target: string;
  outcome?: 'succeeded' | 'refused' | 'failed';
  ip?: string | undefined;
  requestId?: string | undefined;
  detail?: Record<string, string | number | boolean | null>;
};

/** Append only, and always in the transaction of the act: what cannot be recorded is not done. */
export async function appendAudit(trx: Db, ...entries: AuditEntry[]): Promise<void> {
  if (entries.length === 0) return;
  const now = Date.now();
  await trx('audit_events').insert(
    entries.map((entry) => ({
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
      sequence: null,
      previous_hash: null,
      hash: null,
    })),
  );
  wake(trx, 'audit');
}
