import type { Database, Db } from '../store/connection.ts';
import type { UnreadableSecret } from '../store/sealing.ts';
import { appendAudit } from './audit.ts';
import { allIncidents } from './incidents.ts';

const code = 'secret_unreadable';
/**
 * The listener reports an owner once in this time. A webhook or a schedule can need the same secret many times a
 * second.
 */
const againMs = 60_000;
/** The most owners that the listener remembers. */
const mostOwners = 1_000;

/**
 * Returns a listener for a keyring. When a secret does not open, it opens an incident for the owner and writes an audit
 * row. It uses a transaction of its own, because the one that needed the secret is rolled back.
 */
export function reportUnreadable(database: Database): (secret: UnreadableSecret) => void {
  const reported = new Map<string, number>();
  return (secret) => {
    const [subjectId] = secret.context.owner;
    const now = Date.now();
    if ((reported.get(subjectId) ?? 0) > now - againMs) return;
    if (reported.size >= mostOwners) reported.clear();
    reported.set(subjectId, now);
    // If the database cannot be written now, the next attempt to open the secret reports it.
    database.write((trx) => record(trx, secret)).catch(() => reported.delete(subjectId));
  };
}

async function record(trx: Db, { context, missingKeyId, message }: UnreadableSecret): Promise<void> {
  const { owner, credentialId, version, field } = context;
  const [subjectId] = owner;
  const place = await placeOf(trx, subjectId);
  const isKnown = await allIncidents(trx).isOpen(code, subjectId);
  await allIncidents(trx).raise({ ...place, code, subjectId, action: message });
  if (isKnown) return;
  const detail = { record: credentialId, version, field, missing_key: missingKeyId ?? null };
  const entry = { actor: 'system', action: 'secret.unreadable', target: subjectId, outcome: 'failed' as const, detail };
  await appendAudit(trx, { ...place, ...entry });
}

/** Resolves the incident of an owner whose secrets open again. */
export async function resolveUnreadable(trx: Db, subjectId: string): Promise<void> {
  if (!(await allIncidents(trx).isOpen(code, subjectId))) return;
  await allIncidents(trx).resolveSubject(code, subjectId);
  const place = await placeOf(trx, subjectId);
  await appendAudit(trx, { ...place, actor: 'system', action: 'secret.readable', target: subjectId });
}

/** Returns owners with an open incident, the oldest first, after the incident `after`. */
export async function unreadableOwners(
  db: Db,
  after: string,
  limit = 100,
): Promise<{ incidentId: string; ownerId: string }[]> {
  const open = db('incidents').where({ code, status: 'open' }).where('id', '>', after);
  const rows = await open.orderBy('id').limit(limit).select('id', 'subject_id');
  return rows.map((row) => ({ incidentId: row.id, ownerId: row.subject_id }));
}

/**
 * Returns the organization and project whose people see the incident. Secrets of the instance and of the operator
 * belong to none.
 */
async function placeOf(db: Db, subjectId: string): Promise<{ orgId: string | null; projectId: string | null }> {
  const where = { id: subjectId };
  const found =
    (await db('integrations').where(where).first('org_id', 'project_id')) ??
    (await db('cloud_accounts').where(where).first('org_id', 'project_id')) ??
    (await db('connect_flows').where(where).first('org_id', 'project_id')) ??
    (await db('google_consents').where(where).first('org_id', 'project_id'));
  if (found) return { orgId: found.org_id, projectId: found.project_id };
  const app = await db('github_apps').where(where).first('org_id');
  return { orgId: app?.org_id ?? null, projectId: null };
}
