import type { Knex } from 'knex';
import { idAt } from '../domain/ids.ts';
import { type Retention, usualRetention } from '../domain/ops/retention.ts';
import { removeBodies, removeLargeBodies } from './deliveries/body-removal.ts';
import { type Expiring, expiring } from './purge-expired.ts';
import { type Ended, history } from './purge-history.ts';
import type { Database, Db } from './store/connection.ts';
import { skipLocked } from './store/locks.ts';

/** The most rows of one kind in one transaction, so that no other writer waits long. */
const mostRows = 500;

/**
 * Deletes what is no longer needed, a few rows of each kind in each round. Each kind has its own short transaction,
 * which finds its rows by primary key. They were looked up before, outside the transaction. The function returns whether
 * to call it again soon. Several processes can do this at the same time: each skips the rows that another has locked.
 */
export function createPurge(
  database: Database,
  { retention = usualRetention, atMost = mostRows }: { retention?: Retention; atMost?: number } = {},
): () => Promise<boolean> {
  /** The ID up to which this pass has read a table. Prevents each round from reading the rows again that stay. */
  const readUpTo = new Map<Ended, string>();

  async function purgeHistory(kind: Ended): Promise<boolean> {
    const { table, prefix, due, atMost: own = atMost } = kind;
    const before = Date.now() - retention.historyMs;
    const old = (db: Db) => due(db(table).where(`${table}.id`, '<', idAt(prefix, before)), before, db);
    const most = Math.min(own, atMost);
    const ids: string[] = await old(database.reader)
      .where(`${table}.id`, '>', readUpTo.get(kind) ?? '')
      .orderBy(`${table}.id`)
      .limit(most)
      .pluck(`${table}.id`);
    if (ids.length > 0) {
      await database.write(async (trx) => {
        const held: string[] = await skipLocked(old(trx).whereIn(`${table}.id`, ids)).pluck(`${table}.id`);
        await kind.release?.(trx, held);
        await trx(table).whereIn('id', held).delete();
      });
    }
    const hasMore = ids.length === most;
    if (hasMore) readUpTo.set(kind, ids.at(-1) ?? '');
    else readUpTo.delete(kind);
    return hasMore;
  }

  return async () => {
    const bodiesBefore = Date.now() - retention.bodyMs;
    let hasMore = false;
    for (const kind of expiring) hasMore = (await purgeExpired(database, kind, atMost)) || hasMore;
    hasMore = (await removeBodies(database, bodiesBefore, atMost)) || hasMore;
    hasMore = (await removeLargeBodies(database, bodiesBefore)) || hasMore;
    for (const kind of history) hasMore = (await purgeHistory(kind)) || hasMore;
    return hasMore;
  };
}

async function purgeExpired(database: Database, kind: Expiring, atMost: number): Promise<boolean> {
  const { table, key, due, clear, atMost: own = atMost } = kind;
  const most = Math.min(own, atMost);
  const now = Date.now();
  if ((await due(database.reader, now).first(...key)) === undefined) return false;
  const purged: number = await database.write(async (trx) => {
    const some = due(trx, now)
      .select(...key)
      .limit(most);
    const rows: Knex.QueryBuilder = trx(table).whereIn(key, skipLocked(some));
    return clear ? rows.update(clear) : rows.delete();
  });
  return purged === most;
}
