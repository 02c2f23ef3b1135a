import { createHash, randomBytes } from 'node:crypto';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { StoreError } from '../../../db/store/errors.ts';
import { refuseOtherVersions } from '../../../db/store/other-versions.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { freePort, runFairlead } from '../../support/programs/processes.ts';

let database: TestDatabase;
const folders: string[] = [];

beforeEach(async () => {
  database = await openTestDatabase();
});
afterEach(async () => {
  await database.drop();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const key = `k1:${randomBytes(32).toString('base64')}`;
const timeout = 90_000;
const mains = ['start.ts', 'db/main.ts', 'api/main.ts', 'worker/main.ts'] as const;

/** Names a store's migrations as the development versions did: one a change, and not one a subject. */
async function makeDevelopmentStore(): Promise<void> {
  const old = ['0001-people', '0002-github', '0003-credentials', '0013-permission-drift', '0025-registry-watch'];
  await database.migrationPool('migrations').delete();
  await database.migrationPool('migrations').insert(old.map((name) => ({ name, batch: 1 })));
}

/** Adds a migration after the newest one that this version knows. */
async function makeNewerStore(): Promise<void> {
  await database.migrationPool('migrations').insert({ name: '9001-later', batch: 2 });
}

/** Starts each process that can use the store, and returns what it wrote once it has refused. */
async function refusals(): Promise<string[]> {
  const { source } = database;
  const store: Record<string, string> =
    'sqliteFile' in source
      ? { FAIRLEAD_DATA_DIR: crashedCopy(source.sqliteFile) }
      : { DATABASE_URL: withPassword(source.databaseUrl), TEMPORAL_ADDRESS: '127.0.0.1:1' };
  const before = await stateOf(store);
  const env = { ...store, FAIRLEAD_MASTER_KEYS: key };
  const starts = ('sqliteFile' in source ? mains.slice(0, 2) : mains).map(async (main) => {
    const program = runFairlead(main, { ...env, FAIRLEAD_PORT: String(await freePort()) });
    expect(await program.ended, `${main}: ${program.output()}`).toBe(1);
    return program.output();
  });
  const outputs = await Promise.all(starts);
  expect(await stateOf(store)).toEqual(before);
  return outputs;
}

/** Copies the files while the database is open. A process that was killed leaves the same: a log that is not empty. */
function crashedCopy(file: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'fairlead-other-version-'));
  folders.push(folder);
  for (const end of ['', '-wal']) copyFileSync(`${file}${end}`, path.join(folder, `fairlead.db${end}`));
  return folder;
}

/** The server of the tests asks for no password, so any is right. */
function withPassword(databaseUrl: string): string {
  const url = new URL(databaseUrl);
  url.password ||= 'a-password-of-the-store';
  return url.href;
}

/** Returns a digest of the files, or the bookkeeping rows with the transactions that wrote them and the row counts. */
async function stateOf(store: Record<string, string>): Promise<unknown> {
  const folder = store['FAIRLEAD_DATA_DIR'];
  if (folder !== undefined) {
    expect(readFileSync(path.join(folder, 'fairlead.db-wal')).length).toBeGreaterThan(0);
    const digest = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');
    const keyFile = existsSync(path.join(folder, 'master.key'));
    return [digest(path.join(folder, 'fairlead.db')), digest(path.join(folder, 'fairlead.db-wal')), keyFile];
  }
  const { reader } = database;
  const tables: string[] = await reader('pg_tables')
    .where({ schemaname: 'public' })
    .orderBy('tablename')
    .pluck('tablename');
  const rows = tables.map((name) => reader(name).select('*', reader.raw('xmin::text as written')));
  return [tables, await Promise.all(rows.map(async (each) => (await each).map((row) => JSON.stringify(row)).sort()))];
}

test('every process refuses a store of a development version and leaves it as it is', { timeout }, async () => {
  await makeDevelopmentStore();
  for (const output of await refusals()) {
    expect(output).toMatch(/^fairlead: (The data directory \/|Postgres )\S+ was made by a development version/m);
    expect(output).toMatch(
      /set (FAIRLEAD_DATA_DIR to a new directory|DATABASE_URL to a new database), or delete the old one$/m,
    );
    expect(output).not.toContain('a-password-of-the-store');
    expect(output.trim().split('\n')).toHaveLength(1);
  }
});

test('every process refuses a store of a newer version and leaves it as it is', { timeout }, async () => {
  await makeNewerStore();
  for (const output of await refusals()) {
    expect(output).toContain(
      'was made by a newer version of Fairlead (this version does not know the migration 9001-later)',
    );
    expect(output).not.toContain('a-password-of-the-store');
    expect(output.trim().split('\n')).toHaveLength(1);
  }
});

test('names a database of another program, and does not advise to delete it', async () => {
  const pool = database.migrationPool;
  const named = { name: 'The store', toUseAnother: 'set DATABASE_URL to a new database' };
  const foreign = 'The store has a table `migrations` of another program: set DATABASE_URL to a new database';
  await pool('migrations').insert({ name: '/20200101-users', batch: 1 });
  await pool.schema.renameTable('orgs', 'accounts');
  await expect(refuseOtherVersions(pool, named)).rejects.toThrow(new StoreError(foreign));
  await pool.schema.alterTable('migrations', (table) => table.renameColumn('name', 'migration'));
  await expect(refuseOtherVersions(pool, named)).rejects.toThrow(new StoreError(foreign));
});

test('refuses a store with secrets in the format of a development version', async () => {
  const pool = database.migrationPool;
  const named = { name: 'The store', toUseAnother: 'set DATABASE_URL to a new database' };
  const proof = (id: string, value: string) => pool('instance').insert({ key: `key-check/${id}`, value });
  await proof('k2', 'v2.k2.c2VhbGVk');
  await refuseOtherVersions(pool, named);
  await proof('k1', 'k1.c2VhbGVk');
  await expect(refuseOtherVersions(pool, named)).rejects.toThrow(
    'The store was made by a development version of Fairlead before the first release, which this version cannot read: set DATABASE_URL to a new database, or delete the old one',
  );
});
