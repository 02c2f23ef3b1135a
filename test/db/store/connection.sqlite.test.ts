import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openStore } from '../../../db/store/open-store.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.drop());

test('a reader cannot write', async () => {
  await expect(database.reader('instance').insert({ key: 'x', value: 'y' })).rejects.toThrow(/readonly/);
});

test('syncs every commit to the disk', async () => {
  const [row] = await database.migrationPool.raw('PRAGMA synchronous');
  expect(row).toEqual({ synchronous: 2 });
  expect(await database.reader.raw('PRAGMA journal_mode')).toEqual([{ journal_mode: 'wal' }]);
});

test('leaves no log behind when it is closed', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'fairlead-close-'));
  const left: string[] = [];
  for (let count = 0; count < 40; count += 1) {
    const { database } = await openStore({ dataDir: folder, databaseUrl: undefined, masterKeys: undefined });
    await database.close();
    left.push(...readdirSync(folder).filter((name) => /-(wal|shm)$/.test(name)));
  }
  rmSync(folder, { recursive: true });
  expect(left).toEqual([]);
});
