import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import knex, { type Knex } from 'knex';
import pg from 'pg';
import { startCheckpoints } from './checkpoints.ts';
import { createWakes, type Topic, topicsOf, type Wakes } from './wakes.ts';
import { createWriterTurns } from './writer-turns.ts';

/** A pool or a transaction. A repository works with either one. */
export type Db = Knex;
export type Transaction = Knex.Transaction;

export type Database = {
  dialect: 'sqlite' | 'postgres';
  /** For reads outside a transaction. On SQLite, its connections cannot write. */
  reader: Knex;
  /**
   * Runs `work` in one transaction. On SQLite, it uses the only writer and begins IMMEDIATE. One that stores webhooks or
   * issues credentials goes before the others (`isAwaited`).
   */
  write<Result>(work: (trx: Transaction) => Promise<Result>, options?: { isAwaited?: boolean }): Promise<Result>;
  /** Calls `listener` soon after a transaction that woke `topic` has committed, in any process. */
  onWake(topic: Topic, listener: () => void): () => void;
  /** The writer as a pool, for migrations only. */
  migrationPool: Knex;
  close(): Promise<void>;
};

export type DatabaseSource = { sqliteFile: string } | { databaseUrl: string; poolSize?: number };

export function connect(source: DatabaseSource): Database {
  return 'sqliteFile' in source ? connectSqlite(source.sqliteFile) : connectPostgres(source);
}

function connectSqlite(filename: string): Database {
  // The limit of 256 MB is for safety. Normally, `checkpoints.ts` copies the log into the file.
  const durable = ['journal_mode = WAL', 'synchronous = FULL', 'wal_autocheckpoint = 64000'];
  const writer = sqlitePool(filename, { min: 1, max: 1 }, durable);
  const reader = sqlitePool(filename, { min: 0, max: 4 }, ['query_only = ON']);
  const wakes = createWakes();
  const turns = createWriterTurns();
  const checkpoints = startCheckpoints({
    pool: sqlitePool(filename, { min: 0, max: 1 }, ['wal_autocheckpoint = 0']),
    onWriter: (sql) => turns.take(false, async () => writer.raw(sql)),
  });
  return {
    dialect: 'sqlite',
    reader,
    migrationPool: writer,
    write(work, { isAwaited = false } = {}) {
      checkpoints.note();
      return turns.take(isAwaited, () => runAndWake(writer, work, wakes, async () => {}));
    },
    onWake: wakes.on,
    async close() {
      turns.close();
      await checkpoints.stop();
      await reader.destroy();
      // SQLite removes its log when the last connection closes. Two that close at the same time can both leave it.
      await writer.destroy();
    },
  };
}

/** Opens a SQLite file read-only, so that not even closing the connection changes it. */
export function openReadOnly(filename: string): Knex {
  // Knex always opens the file for writing. A URI can prevent that.
  const { href } = pathToFileURL(path.resolve(filename));
  return sqlitePool(`${href}?mode=ro`, { min: 0, max: 1 }, [], ['OPEN_URI']);
}

function sqlitePool(filename: string, pool: { min: number; max: number }, pragmas: string[], flags?: string[]): Knex {
  return knex({
    client: createSqliteClient(),
    connection: { filename, ...(flags && { flags }) },
    useNullAsDefault: true,
    // Otherwise error messages contain the values of the statement, such as webhook bodies and sealed secrets.
    compileSqlOnError: false,
    pool: {
      ...pool,
      afterCreate(connection: { exec(sql: string, done: (error: Error | null) => void): void }, done: () => void) {
        // journal_mode comes first: a reader that opens the file before the first writer must not create a rollback
        // journal.
        const all = ['busy_timeout = 5000', ...pragmas, 'foreign_keys = ON', 'temp_store = MEMORY'];
        connection.exec(all.map((pragma) => `PRAGMA ${pragma};`).join(''), done);
      },
    },
  });
}

const channel = 'fairlead';

function connectPostgres({ databaseUrl, poolSize = 10 }: { databaseUrl: string; poolSize?: number }): Database {
  // By default, 64-bit integers arrive as text. Fairlead's are times and numeric IDs, far below 2^53.
  pg.types.setTypeParser(pg.types.builtins.INT8, Number);
  const pool = knex({
    client: 'pg',
    compileSqlOnError: false,
    connection: databaseUrl,
    pool: { min: 0, max: poolSize },
  });
  const wakes = createWakes();
  let closed = false;
  let listener: pg.Client | undefined;

  /**
   * Keeps one connection open for LISTEN. If it breaks, the regular sweep finds the work until the connection is back.
   */
  async function listen(): Promise<void> {
    if (closed || listener) return;
    const client = new pg.Client({ connectionString: databaseUrl, keepAlive: true });
    listener = client;
    const again = () => {
      if (listener !== client) return;
      listener = undefined;
      client.end().catch(() => {});
      if (!closed) setTimeout(() => listen().catch(() => {}), 1_000).unref();
    };
    client.on('error', again);
    client.on('end', again);
    client.on('notification', ({ payload }) => wakes.emit(payload as Topic));
    try {
      await client.connect();
      await client.query(`LISTEN ${channel}`);
    } catch {
      again();
    }
  }

  return {
    dialect: 'postgres',
    reader: pool,
    migrationPool: pool,
    write: (work) =>
      runAndWake(pool, work, undefined, async (trx, topics) => {
        for (const topic of topics) await trx.raw('select pg_notify(?, ?)', [channel, topic]);
      }),
    onWake(topic, callback) {
      listen().catch(() => {});
      return wakes.on(topic, callback);
    },
    async close() {
      closed = true;
      const open = listener;
      listener = undefined;
      await Promise.all([open?.end().catch(() => {}), pool.destroy()]);
    },
  };
}

async function runAndWake<Result>(
  pool: Knex,
  work: (trx: Transaction) => Promise<Result>,
  local: Wakes | undefined,
  beforeCommit: (trx: Transaction, topics: ReadonlySet<Topic>) => Promise<void>,
): Promise<Result> {
  let woken: ReadonlySet<Topic> = new Set();
  const result = await pool.transaction(async (trx) => {
    const value = await work(trx);
    woken = topicsOf(trx);
    await beforeCommit(trx, woken);
    return value;
  });
  for (const topic of woken) local?.emit(topic);
  return result;
}

type RawTransaction = { begin: (connection: unknown) => unknown; query(connection: unknown, sql: string): unknown };

type SqliteClient = new (config: Knex.Config) => { transaction(...args: unknown[]): RawTransaction };

/**
 * Knex's SQLite client with transactions that take the write lock when they begin. Knex's own transactions begin
 * deferred. One that reads before it writes then fails with SQLITE_BUSY if another has written in between, and waiting
 * does not help (https://www.sqlite.org/lang_transaction.html).
 */
function createSqliteClient(): typeof Knex.Client {
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
