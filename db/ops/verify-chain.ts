import { type AuditKeys, auditKeysOf, keyIdIn } from '../store/audit-keys.ts';
import type { Db } from '../store/connection.ts';
import type { AuditEventRow } from '../store/tables.ts';
import { contentOf, type Head, holds, isBeginningLost, linkOf, missingChains } from './audit-chain.ts';

/** `changed`: a row is not as Fairlead wrote it. `cut`: rows are missing. */
export type ChainFinding = 'intact' | 'changed' | 'cut';

export type ChainVerdict = {
  chain: string;
  finding: ChainFinding;
  /** What is wrong, in one sentence. */
  detail?: string;
  /** How many rows were checked. */
  length: number;
  /** The hash of the last row that was checked. */
  head: string;
  /** The first position at which the chain is broken. */
  firstBadSequence?: number;
  /** The row that was changed, if it is there. */
  firstBadId?: string;
  /** The number of rows that are not in the chain yet. */
  unchained: number;
};

/** A head that a person kept outside the database. */
export type KeptHead = Pick<Head, 'sequence' | 'hash'>;

type Fault = Pick<ChainVerdict, 'detail' | 'firstBadSequence' | 'firstBadId'> & { finding: 'changed' | 'cut' };

/**
 * Verifies the whole chain, a thousand rows at a time. Also verifies the rows that are not chained yet. Compares the
 * chain with its record, and with a head that a person kept elsewhere.
 */
export async function verifyChain(db: Db, chain: string, kept?: KeptHead): Promise<ChainVerdict> {
  const keys = auditKeysOf(db);
  // This reads the record first, because the relay can chain more rows while this runs.
  const record = await db('audit_heads').where({ chain }).first();
  const heads = [record, kept].filter((head) => head !== undefined);
  const seen = { chain, length: 0, head: '' };
  const fault =
    (await faultInRows(db, keys, seen, heads)) ??
    (await faultInUnchained(db, keys, chain)) ??
    (await faultAtEnd(db, keys, seen, record, kept));
  const unchained = await db('audit_events').where({ chain }).whereNull('sequence').count({ count: '*' }).first();
  return { finding: 'intact', ...seen, ...fault, unchained: Number(unchained?.['count'] ?? 0) };
}

/** Verifies the chain row by row. `seen` ends at the last row that is intact. */
async function faultInRows(
  db: Db,
  keys: AuditKeys,
  seen: { chain: string; length: number; head: string },
  heads: KeptHead[],
): Promise<Fault | undefined> {
  for (;;) {
    const rows = await db('audit_events')
      .where({ chain: seen.chain })
      .where('sequence', '>', seen.length)
      .orderBy('sequence')
      .limit(1_000);
    if (rows.length === 0) return undefined;
    for (const row of rows) {
      const sequence = seen.length + 1;
      const at = { firstBadSequence: sequence };
      if (row.sequence !== sequence) return { finding: 'cut', detail: 'Rows are missing here.', ...at };
      const follows = row.previous_hash === seen.head && keys.verify(row.hash, linkOf(row, sequence, seen.head));
      if (!follows || !isAsWritten(keys, row)) return { ...changed(keys, row), ...at };
      if (heads.some((head) => head.sequence === sequence && head.hash !== row.hash)) {
        return {
          finding: 'changed',
          detail: 'The row differs from the head that was kept.',
          ...at,
          firstBadId: row.id,
        };
      }
      seen.length = sequence;
      seen.head = row.hash ?? '';
    }
  }
}

function isAsWritten(keys: AuditKeys, row: AuditEventRow): boolean {
  return keys.verify(row.mac, contentOf(row));
}

function changed(keys: AuditKeys, { id, mac, hash }: AuditEventRow): Fault {
  const unknown = [mac, hash].map(keyIdIn).find((keyId) => keyId !== '' && !keys.has(keyId));
  const detail =
    unknown === undefined
      ? 'This row is not as Fairlead wrote it.'
      : `This row names the audit key ${unknown.slice(0, 64)}, which this process does not have. If you have changed the master keys since this process started, restart it and verify again.`;
  return { finding: 'changed', detail, firstBadId: id };
}

/** Fairlead signs a row when it writes it, so this also finds an edit before the row is chained. */
async function faultInUnchained(db: Db, keys: AuditKeys, chain: string): Promise<Fault | undefined> {
  const rows = await db('audit_events').where({ chain }).whereNull('sequence').orderBy('id').limit(10_000);
  const bad = rows.find((row) => !isAsWritten(keys, row));
  return bad && changed(keys, bad);
}

async function faultAtEnd(
  db: Db,
  keys: AuditKeys,
  { chain, length }: { chain: string; length: number },
  record: Parameters<typeof holds>[1] | undefined,
  kept: KeptHead | undefined,
): Promise<Fault | undefined> {
  const cut = (detail: string): Fault => ({ finding: 'cut', detail, firstBadSequence: length + 1 });
  if (kept && kept.sequence > length) return cut('The chain is shorter than the head that was kept.');
  if (record && !holds(keys, record)) return { finding: 'changed', detail: 'The record of the head was changed.' };
  if (record && record.sequence > length) return cut('Rows are missing at the end.');
  if (!record && length > 0) {
    // The relay can have chained the first rows since this read the record.
    const now = await db('audit_heads').where({ chain }).first('chain');
    if (!now) return { finding: 'changed', detail: 'The record of the head was deleted.' };
  }
  const first = await db('audit_events').where({ chain }).min({ at: 'created_at' }).first();
  const firstAt = first?.['at'] === null || first?.['at'] === undefined ? undefined : Number(first['at']);
  if (!record && length === 0 && (await isBeginningLost(db, chain, firstAt))) {
    return cut('The chain was deleted together with its record.');
  }
  const missing = chain === 'instance' ? await missingChains(db) : 0;
  return missing > 0 ? { finding: 'cut', detail: `${missing} chains of organizations are missing.` } : undefined;
}
