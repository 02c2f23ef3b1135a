import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestProject } from 'vitest/node';
import { connect } from '../../db/store/connection.ts';
import { migrate } from '../../db/store/migrate.ts';
import { onPostgresServer, postgresUrl } from './programs/postgres-server.ts';
import { type KeyPair, keyPool } from './rsa-keys.ts';

declare module 'vitest' {
  // An interface, because only an interface can extend the one of vitest.
  interface ProvidedContext {
    keyPairs: KeyPair[];
    /** A migrated SQLite file to copy. No process has it open. */
    sqliteTemplate: string;
    /** A migrated Postgres database to copy, if the run has a server. No client is connected to it. */
    postgresTemplate: string | null;
  }
}

/** Makes the migrated databases and RSA keys once, for all tests of the run to copy. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(path.join(tmpdir(), 'fairlead-templates-'));
  const sqliteFile = path.join(folder, 'template.db');
  const postgresTemplate = postgresUrl ? `template_${randomBytes(6).toString('hex')}` : null;

  const [keyPairs] = await Promise.all([keyPool(), migrated({ sqliteFile }), makePostgres(postgresTemplate)]);
  project.provide('keyPairs', keyPairs);
  project.provide('sqliteTemplate', sqliteFile);
  project.provide('postgresTemplate', postgresTemplate);
  return async () => {
    rmSync(folder, { recursive: true, force: true });
    if (postgresUrl) await onPostgresServer(postgresUrl, `drop database ${postgresTemplate}`);
  };
}

async function makePostgres(name: string | null): Promise<void> {
  if (!postgresUrl || !name) return;
  await onPostgresServer(postgresUrl, `create database ${name}`);
  const url = new URL(postgresUrl);
  url.pathname = `/${name}`;
  await migrated({ databaseUrl: url.href });
}

/** Runs the real migrations and closes the database, which leaves a SQLite file without a write-ahead log. */
async function migrated(source: Parameters<typeof connect>[0]): Promise<void> {
  const database = connect(source);
  await migrate(database).finally(() => database.close());
}
