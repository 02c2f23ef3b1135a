import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestProject } from 'vitest/node';
import { connect } from '../../db/connection.ts';
import { migrate } from '../../db/migrate.ts';
import { onPostgresServer, postgresUrl } from './postgres-server.ts';
import { type KeyPair, keyPool } from './rsa-keys.ts';

declare module 'vitest' {
  // An interface, because vitest's own can only be added to by another.
  interface ProvidedContext {
    keyPairs: KeyPair[];
    /** A migrated SQLite file that nothing has open, to be copied. */
    sqliteTemplate: string;
    /** A migrated Postgres database that nothing is connected to, if the run has a server. */
    postgresTemplate: string | null;
  }
}

/** What all tests of a run copy instead of making it again: migrated databases and RSA keys. */
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
