import { createRequire } from 'node:module';
import type { Knex } from 'knex';

type RawTransaction = { begin: (connection: unknown) => unknown; query(connection: unknown, sql: string): unknown };
type SqliteClient = new (config: Knex.Config) => { transaction(...args: unknown[]): RawTransaction };

/**
 * Knex's SQLite client with transactions that take the write lock when they begin. Knex's own begin deferred, and
 * one that has read before it writes then fails with SQLITE_BUSY when another has written meanwhile; waiting does
 * not help it (https://www.sqlite.org/lang_transaction.html).
 */
export function createSqliteClient(): typeof Knex.Client {
  const require = createRequire(import.meta.url);
  const Base = require('knex/lib/dialects/sqlite3/index.js') as SqliteClient;
  class ImmediateSqliteClient extends Base {
    override transaction(...args: unknown[]): RawTransaction {
      const transaction = super.transaction(...args);
      transaction.begin = (connection) => transaction.query(connection, 'BEGIN IMMEDIATE;');
      return transaction;
    }
  }
  return ImmediateSqliteClient as unknown as typeof Knex.Client;
}
