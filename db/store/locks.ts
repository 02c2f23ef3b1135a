import type { Knex } from 'knex';
import { isPostgres } from './postgres.ts';

// SQLite has one writer. A transaction there holds the write lock from its first statement on, so no other transaction
// can change a row that it has read. The functions below lock rows on Postgres and do nothing on SQLite.

/** Locks the rows that the query finds until the transaction ends (`FOR UPDATE`). A second writer waits. */
export function locked<Query extends Knex.QueryBuilder>(query: Query): Query {
  if (isPostgres(query)) query.forUpdate();
  return query;
}

/** Keeps others from changing the rows until the transaction ends (`FOR SHARE`). Several readers can share the lock. */
export function shared<Query extends Knex.QueryBuilder>(query: Query): Query {
  if (isPostgres(query)) query.forShare();
  return query;
}

/** Locks the rows, and skips those that another transaction has locked (`FOR UPDATE SKIP LOCKED`). */
export function skipLocked<Query extends Knex.QueryBuilder>(query: Query): Query {
  if (isPostgres(query)) query.forUpdate().skipLocked();
  return query;
}

/**
 * Locks the rows as `locked` does, but lets others insert rows that refer to them (`FOR NO KEY UPDATE`). The foreign
 * keys of such inserts need only the key.
 */
export function lockedExceptKey<Query extends Knex.QueryBuilder>(query: Query): Query {
  if (isPostgres(query)) query.forNoKeyUpdate();
  return query;
}

/** Runs a query that is there for its lock only. SQLite skips the query. */
export async function hold(lock: Knex.QueryBuilder): Promise<void> {
  if (isPostgres(lock)) await lock;
}

/** Waits until no other transaction holds this number, and holds it until the transaction ends. */
export async function holdNumber(trx: Knex, number: number): Promise<void> {
  if (isPostgres(trx)) await trx.raw('select pg_advisory_xact_lock(?)', [number]);
}
