import { randomBytes, randomUUID } from 'node:crypto';
import { statSync } from 'node:fs';
import knex from 'knex';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startCheckpoints } from '../../../db/store/checkpoints.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.drop());

function fileSize(suffix = ''): number {
  if (!('sqliteFile' in database.source)) throw new Error('This test needs SQLite');
  return statSync(database.source.sqliteFile + suffix).size;
}

const megabyte = 1024 * 1024;

function addMegabytes(count: number): Promise<void> {
  return database.write(async (trx) => {
    await trx('large_body_parts').insert({ delivery_id: randomUUID(), part: 0, bytes: randomBytes(count * megabyte) });
  });
}

test('copies the log into the file within seconds, although the writer does not', async () => {
  const before = fileSize();
  await addMegabytes(8);
  expect(fileSize()).toBe(before);
  await expect.poll(fileSize, { timeout: 10_000 }).toBeGreaterThan(before + 8 * megabyte - 1);
});

test.each([
  ['the writer copies the last pages of a large log itself, because only then can the log start again', 70, true],
  ['the writer does not copy the pages of a small log', 1, false],
])('%s', async (_, megabytes, isAsked) => {
  const own = await openTestDatabase();
  const filename = 'sqliteFile' in own.source ? own.source.sqliteFile : '';
  const asked: string[] = [];
  let isCopied = false;
  const pool = knex({ client: 'sqlite3', connection: { filename }, useNullAsDefault: true });
  pool.on('query-response', () => {
    isCopied = true;
  });
  const checkpoints = startCheckpoints({ pool, onWriter: async (sql) => void asked.push(sql) });
  try {
    // Written past `own.write`, so that the database's own checkpoints do not run at the same time.
    await own.migrationPool.transaction(async (trx) => {
      for (let part = 0; part < megabytes; part += 1)
        await trx('large_body_parts').insert({ delivery_id: randomUUID(), part, bytes: randomBytes(megabyte) });
    });
    checkpoints.note();
    await expect.poll(() => isCopied, { timeout: 10_000 }).toBe(true);
  } finally {
    await checkpoints.stop();
    await own.drop();
  }
  expect(asked).toEqual(isAsked ? ['PRAGMA wal_checkpoint(PASSIVE)'] : []);
});
