import { createHash } from 'node:crypto';
import type { Db } from '../store/connection.ts';
import { holdNumber } from '../store/locks.ts';
import type { AuditEventRow } from '../store/tables.ts';

const advisoryLock = 4_242_001;

/**
 * Adds unchained rows to their chains, in the order in which they became visible. Each chain has a sequence without
 * gaps, and a hash over each row and the one before it. A chained row never moves. Returns how many rows it added.
 */
export async function chainAudit(trx: Db, limit = 500): Promise<number> {
  await holdNumber(trx, advisoryLock);
  const rows = await trx('audit_events').whereNull('sequence').orderBy(['chain', 'id']).limit(limit);
  const heads = new Map<string, { sequence: number; hash: string }>();
  for (const row of rows) {
    const head = heads.get(row.chain) ?? (await headOf(trx, row.chain));
    const sequence = head.sequence + 1;
    const hash = hashOf(row, sequence, head.hash);
    await trx('audit_events').where({ id: row.id }).update({ sequence, previous_hash: head.hash, hash });
    heads.set(row.chain, { sequence, hash });
  }
  return rows.length;
}

async function headOf(db: Db, chain: string): Promise<{ sequence: number; hash: string }> {
  const last = await db('audit_events').where({ chain }).whereNotNull('sequence').orderBy('sequence', 'desc').first();
  return { sequence: last?.sequence ?? 0, hash: last?.hash ?? '' };
}

/** Hashes every column with content, in a fixed order. */
function hashOf(row: AuditEventRow, sequence: number, previousHash: string): string {
  const content = [
    previousHash,
    sequence,
    row.id,
    row.chain,
    row.org_id,
    row.project_id,
    row.actor,
    row.action,
    row.target,
    row.outcome,
    row.ip,
    row.request_id,
    row.detail,
    row.created_at,
  ];
  return createHash('sha256').update(JSON.stringify(content)).digest('hex');
}

export type ChainVerdict = {
  chain: string;
  intact: boolean;
  /** How many rows were checked. */
  length: number;
  /** The hash of the last row. If you keep it elsewhere, it also reveals rows that were deleted from the end. */
  head: string;
  /** The first row at which the chain is broken. */
  firstBadSequence?: number;
  /** The number of rows that are not in the chain yet. */
  unchained: number;
};

/** Verifies the whole chain, a thousand rows at a time. */
export async function verifyChain(db: Db, chain: string): Promise<ChainVerdict> {
  const unchained = await db('audit_events').where({ chain }).whereNull('sequence').count({ count: '*' }).first();
  const verdict = { chain, length: 0, head: '', unchained: Number(unchained?.['count'] ?? 0) };
  for (;;) {
    const rows = await db('audit_events')
      .where({ chain })
      .where('sequence', '>', verdict.length)
      .orderBy('sequence')
      .limit(1_000);
    if (rows.length === 0) return { ...verdict, intact: true };
    for (const row of rows) {
      const sequence = verdict.length + 1;
      const follows = row.sequence === sequence && row.previous_hash === verdict.head;
      const holds = follows && row.hash === hashOf(row, sequence, verdict.head);
      if (!holds) return { ...verdict, intact: false, firstBadSequence: sequence };
      verdict.length = sequence;
      verdict.head = row.hash ?? '';
    }
  }
}
