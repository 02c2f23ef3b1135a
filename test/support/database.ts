import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inject } from 'vitest';
import { createAuditKeys, useAuditKeys } from '../../db/store/audit-keys.ts';
import { connect, type Database } from '../../db/store/connection.ts';
import { onPostgresServer, postgresUrl } from './programs/postgres-server.ts';

export type TestDatabase = Database & {
  /** Where the database is, for tests that start processes on it or read its files. */
  source: { sqliteFile: string } | { databaseUrl: string };
  /** Closes and removes the database. */
  drop(): Promise<void>;
};

/** Opens a copy of the migrated database of the run: Postgres if the run has a server, SQLite otherwise. */
export async function openTestDatabase(): Promise<TestDatabase> {
  return postgresUrl ? openPostgres(postgresUrl) : openSqlite();
}

/** These audit keys are the same in every process of a test. Tests that need the stored keys use `openAuditKeys`. */
export const auditKeysOfTests = createAuditKeys('tests', new Map([['tests', new Uint8Array(32).fill(7)]]));

/** Opens one more connection to the database of a test, as another process would. */
export function connectAgain(source: TestDatabase['source']): Database {
  const database = connect(source);
  useAuditKeys(database, auditKeysOfTests);
  return database;
}

async function openSqlite(): Promise<TestDatabase> {
  const folder = mkdtempSync(path.join(tmpdir(), 'fairlead-test-'));
  const source = { sqliteFile: path.join(folder, 'fairlead.db') };
  copyFileSync(inject('sqliteTemplate'), source.sqliteFile);
  const database = connectAgain(source);
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
  await onPostgresServer(serverUrl, `create database ${name} template ${inject('postgresTemplate')}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const source = { databaseUrl: url.href };
  const database = connectAgain(source);
  return {
    ...database,
    source,
    async drop() {
      await database.close();
      await onPostgresServer(serverUrl, `drop database ${name} with (force)`);
    },
  };
}
