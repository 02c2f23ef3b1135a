import { afterAll, beforeAll, expect, test } from 'vitest';
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
