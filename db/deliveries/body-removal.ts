import { idAt } from '../../domain/ids.ts';
import type { Database, Db, Transaction } from '../store/connection.ts';
import { skipLocked } from '../store/locks.ts';

/** The most bytes of bodies in one transaction, unless a single body is larger. */
const mostBytes = 8 * 1024 * 1024;
/** As many parts of a large body as fit into `mostBytes`. */
const mostParts = 16;

/**
 * Deletes the bodies of webhooks that were decided before this time. The rows of the webhooks stay, and show when the
 * body was removed. Returns whether there may be more.
 */
export async function removeBodies(database: Database, before: number, atMost: number): Promise<boolean> {
  const { reader } = database;
  const ids: string[] = await ofDecided(reader, 'delivery_bodies', before)
    .orderBy('delivery_id')
    .limit(atMost)
    .pluck('delivery_id');
  if (ids.length === 0) return false;
  const sizes = await reader('deliveries').whereIn('id', ids).orderBy('id').select('id', 'size');
  const few: string[] = [];
  let bytes = 0;
  for (const { id, size } of sizes) {
    bytes += size;
    if (few.length > 0 && bytes > mostBytes) break;
    few.push(id);
  }
  await database.write(async (trx) => {
    const held = await hold(trx, few, before);
    await trx('delivery_bodies').whereIn('delivery_id', held).delete();
    await noteRemoval(trx, held);
  });
  return ids.length === atMost || few.length < ids.length;
}

/** Does the same for bodies that are stored in parts, a few parts in each transaction. */
export async function removeLargeBodies(database: Database, before: number): Promise<boolean> {
  const parts: { delivery_id: string; part: number }[] = await ofDecided(database.reader, 'large_body_parts', before)
    .orderBy(['delivery_id', 'part'])
    .limit(mostParts)
    .select('delivery_id', 'part');
  if (parts.length === 0) return false;
  await database.write(async (trx) => {
    const held = await hold(trx, [...new Set(parts.map(({ delivery_id: id }) => id))], before);
    const keys = parts.filter(({ delivery_id: id }) => held.includes(id));
    await trx('large_body_parts')
      .whereIn(
        ['delivery_id', 'part'],
        keys.map(({ delivery_id: id, part }) => [id, part]),
      )
      .delete();
    await noteRemoval(trx, held);
  });
  return parts.length === mostParts;
}

function ofDecided(db: Db, table: 'delivery_bodies' | 'large_body_parts', before: number) {
  return db(table)
    .where('delivery_id', '<', idAt('dlv', before))
    .whereExists(decidedBefore(db, before).whereRaw(`deliveries.id = ${table}.delivery_id`));
}

function decidedBefore(db: Db, before: number) {
  return db('deliveries').whereNot({ status: 'received' }).where('decided_at', '<', before).select('id');
}

/** Locks the deliveries, so that a redelivery queues none of them again before the commit. */
async function hold(trx: Transaction, ids: string[], before: number): Promise<string[]> {
  return skipLocked(decidedBefore(trx, before).whereIn('id', ids)).pluck('id');
}

async function noteRemoval(trx: Transaction, ids: string[]): Promise<void> {
  await trx('deliveries').whereIn('id', ids).whereNull('body_removed_at').update({ body_removed_at: Date.now() });
}
