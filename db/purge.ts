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
 * to call it again soon. Several processes can do this at the same time: each skips the rows that another has locked. If
 * one kind fails, the others continue, and the first error is thrown at the end of the round.
 */
export function createPurge(
  database: Database,
  { retention = usualRetention, atMost = mostRows }: { retention?: Retention; atMost?: number } = {},
): () => Promise<boolean> {
  /** The ID up to which this pass has read each kind. Rows that stay are read only once in a pass. */
  const readUpTo = new Map<Ended, string>();
  const finished = new Set<Ended>();

  async function purgeHistory(kind: Ended): Promise<boolean> {
    if (finished.has(kind)) return false;
    const { table, prefix, due, atMost: own = atMost } = kind;
    const id = `${table}.id`;
    const before = Date.now() - retention.historyMs;
    const old = (db: Db) => due(db(table).where(id, '<', idAt(prefix, before)), before, db);
    const most = Math.min(own, atMost);
    const unread = old(database.reader).where(id, '>', readUpTo.get(kind) ?? '');
    const ids: string[] = await unread.orderBy(id).limit(most).pluck(id);
    if (ids.length > 0) {
      await database.write(async (trx) => {
        const held: string[] = await skipLocked(old(trx).whereIn(id, ids)).pluck(id);
        await kind.release?.(trx, held);
        await trx(table).whereIn('id', held).delete();
      });
    }
    readUpTo.set(kind, ids.at(-1) ?? '');
    if (ids.length < most) finished.add(kind);
    return ids.length === most;
  }

  /** Deletes some rows of each kind in turn, and returns whether there may be more. */
  const steps: (() => Promise<boolean>)[] = [
    ...expiring.map((kind) => () => purgeExpired(database, kind, atMost)),
    () => removeBodies(database, Date.now() - retention.bodyMs, atMost),
    () => removeLargeBodies(database, Date.now() - retention.bodyMs),
    ...history.map((kind) => () => purgeHistory(kind)),
  ];

  return async () => {
    let hasMore = false;
    const failures: unknown[] = [];
    for (const step of steps) {
      await step().then(
        (more) => {
          hasMore ||= more;
        },
        (error: unknown) => failures.push(error),
      );
    }
    if (!hasMore) {
      readUpTo.clear();
      finished.clear();
    }
    if (failures.length > 0) throw failures[0];
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
