import { randomBytes, randomUUID } from 'node:crypto';
import { statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
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

test('the log starts again under a load that never stops', async () => {
  for (let count = 0; count < 220; count += 1) {
    await addMegabytes(1);
    await sleep(15);
  }
  // About a hundred are written until it starts again.
  expect(fileSize('-wal')).toBeLessThan(200 * megabyte);
});
