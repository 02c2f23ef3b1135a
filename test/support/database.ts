import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import knex from 'knex';
import { connect, type Database } from '../../db/connection.ts';
import { migrate } from '../../db/migrate.ts';

export type TestDatabase = Database & {
  /** Where it lies: for the tests that start processes of their own on it, or look into its files. */
  source: { sqliteFile: string } | { databaseUrl: string };
  /** Closes and removes it. */
  drop(): Promise<void>;
};

/** The Postgres server of this run, where `npm run test:postgres` has started one. */
export const postgresUrl = process.env['TEST_DATABASE_URL'];

/** A fresh, migrated database: SQLite, or Postgres where the run has one. */
export async function openTestDatabase(): Promise<TestDatabase> {
  return postgresUrl ? openPostgres(postgresUrl) : openSqlite();
}

async function openSqlite(): Promise<TestDatabase> {
  const folder = mkdtempSync(path.join(tmpdir(), 'fairlead-test-'));
  const source = { sqliteFile: path.join(folder, 'fairlead.db') };
  const database = connect(source);
  await migrate(database);
  return {
    ...database,
    source,
    async drop() {
      await database.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function openPostgres(serverUrl: string): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await onServer(serverUrl, `create database ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const source = { databaseUrl: url.href };
  const database = connect(source);
  await migrate(database);
  return {
    ...database,
    source,
    async drop() {
      await database.close();
      await onServer(serverUrl, `drop database ${name} with (force)`);
    },
  };
}

async function onServer(serverUrl: string, statement: string): Promise<void> {
  const server = knex({ client: 'pg', connection: serverUrl, pool: { min: 0, max: 1 } });
  await server.raw(statement).finally(() => server.destroy());
}
