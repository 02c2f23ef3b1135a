import { type AuditKeys, auditKeysOf, keyIdIn } from '../store/audit-keys.ts';
import type { Db } from '../store/connection.ts';
import { holdNumber } from '../store/locks.ts';
import type { AuditEventRow, AuditHeadRow } from '../store/tables.ts';

const advisoryLock = 4_242_001;
/** The record that counts the chains. It shows when an attacker has deleted a chain with its record. */
export const chainCount = '*';
/** One transaction writes an organization and its first audit row, so their times differ by less than this. */
const firstRowWithinMs = 60_000;

/** The position and the hash of the last row of a chain. */
export type Head = { chain: string; sequence: number; hash: string };

/**
 * Adds unchained rows to their chains, in the order in which they became visible. Each chain has a sequence without
 * gaps, and a keyed hash over each row and the one before it. A chained row never moves. A record outside the rows
 * keeps the head of each chain. If the record does not match, the chain continues after a gap, which `verifyChain`
 * reports.
 */
export async function chainAudit(trx: Db, limit = 500): Promise<{ count: number; heads: Head[] }> {
  await holdNumber(trx, advisoryLock);
  const keys = auditKeysOf(trx);
  const rows = await trx('audit_events').whereNull('sequence').orderBy(['chain', 'id']).limit(limit);
  if (rows.length === 0) return { count: 0, heads: [] };
  const records = await recordsOf(trx, [...new Set(rows.map(({ chain }) => chain))]);
  const heads = new Map<string, Head>();
  for (const row of rows) {
    const { chain, id, mac } = row;
    const head = heads.get(chain) ?? (await startOf(trx, keys, row, records.get(chain)));
    const sequence = head.sequence + 1;
    const hash = keys.sign(linkOf({ id, chain, mac }, sequence, head.hash));
    await trx('audit_events').where({ id }).update({ sequence, previous_hash: head.hash, hash });
    heads.set(chain, { chain, sequence, hash });
  }
  await keepHeads(trx, keys, [...heads.values()], records);
  return { count: rows.length, heads: [...heads.values()] };
}

/** Returns where the chain continues. Leaves out one position if the record is missing or was changed. */
async function startOf(trx: Db, keys: AuditKeys, row: AuditEventRow, record: AuditHeadRow | undefined): Promise<Head> {
  const { chain } = row;
  if (record && holds(keys, record)) return record;
  const keyId = record && keyIdIn(record.mac);
  if (keyId !== undefined && !keys.has(keyId) && (await trx('audit_keys').where({ id: keyId }).first())) {
    throw new Error(`The audit key ${keyId} is newer than this process: restart it`);
  }
  const last = await trx('audit_events').where({ chain }).whereNotNull('sequence').max({ last: 'sequence' }).first();
  const sequence = Math.max(Number(last?.['last'] ?? 0), record?.sequence ?? 0);
  const isNew = !record && sequence === 0 && !(await isBeginningLost(trx, chain, row.created_at));
  return { chain, sequence: isNew ? 0 : sequence + 1, hash: '' };
}

async function recordsOf(db: Db, chains: string[]): Promise<Map<string, AuditHeadRow>> {
  const rows = await db('audit_heads').whereIn('chain', [...chains, chainCount]);
  return new Map(rows.map((row) => [row.chain, row]));
}

async function keepHeads(trx: Db, keys: AuditKeys, heads: Head[], records: Map<string, AuditHeadRow>): Promise<void> {
  const added = heads.filter(({ chain }) => !records.has(chain)).length;
  const count = records.get(chainCount);
  const isFirst = !count && (await trx('audit_heads').first('chain')) === undefined;
  const kept = [...heads];
  // A missing or changed count stays as it is, because it shows the attack.
  if (added > 0 && (isFirst || (count && holds(keys, count)))) {
    kept.push({ chain: chainCount, sequence: (count?.sequence ?? 0) + added, hash: '' });
  }
  const now = Date.now();
  const rows = kept.map((head) => ({ ...pick(head), mac: keys.sign(headOf(head)), updated_at: now }));
  await trx('audit_heads').insert(rows).onConflict('chain').merge();
}

const pick = ({ chain, sequence, hash }: Head): Head => ({ chain, sequence, hash });
const headOf = ({ chain, sequence, hash }: Head) => ['head', chain, sequence, hash];

/** Returns whether the record is as Fairlead wrote it. */
export function holds(keys: AuditKeys, record: AuditHeadRow): boolean {
  return keys.verify(record.mac, headOf(record));
}

/** Returns what the hash of a row covers: the signature of the row, its place, and the hash of the row before it. */
export function linkOf(
  { id, chain, mac }: Pick<AuditEventRow, 'id' | 'chain' | 'mac'>,
  sequence: number,
  previousHash: string,
): unknown[] {
  return ['link', chain, sequence, previousHash, id, mac];
}

/** Returns what the signature of a row covers: every column with content, in a fixed order. */
export function contentOf(row: Omit<AuditEventRow, 'mac' | 'sequence' | 'previous_hash' | 'hash'>): unknown[] {
  const { id, chain, org_id, project_id, actor, action, target, outcome, ip, request_id, detail, created_at } = row;
  return ['row', id, chain, org_id, project_id, actor, action, target, outcome, ip, request_id, detail, created_at];
}

/** Returns how many chains were deleted together with their records. */
export async function missingChains(db: Db): Promise<number> {
  const records = db('audit_heads').whereNot({ chain: chainCount }).count({ count: '*' }).as('heads');
  const count: (AuditHeadRow & { heads: number }) | undefined = await db('audit_heads')
    .where({ chain: chainCount })
    .select('*', records)
    .first();
  if (!count) return (await db('audit_heads').first('chain')) ? 1 : 0;
  return holds(auditKeysOf(db), count) ? Math.max(0, count.sequence - Number(count.heads)) : 1;
}

/** Returns whether a chain without a record had rows before this time. An organization begins with an audit row. */
export async function isBeginningLost(db: Db, chain: string, firstRowAt: number | undefined): Promise<boolean> {
  if ((await missingChains(db)) === 0) return false;
  const org = await db('orgs').where({ id: chain }).first('created_at');
  return !org || firstRowAt === undefined || org.created_at < firstRowAt - firstRowWithinMs;
}

/** Returns the length of all chains together. If it decreases, rows and records were removed. */
export async function auditLength(db: Db): Promise<number> {
  const sum = await db('audit_heads').whereNot({ chain: chainCount }).sum({ rows: 'sequence' }).first();
  return Number(sum?.['rows'] ?? 0);
}
