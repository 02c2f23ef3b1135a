import { afterAll, beforeAll, expect, test } from 'vitest';
import { BatchFull, createBatch } from '../../../db/store/batch.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.drop());

function batchOf(options: Partial<Parameters<typeof createBatch<string, string>>[0]> = {}) {
  const sizes: number[] = [];
  const batch = createBatch<string, string>({
    database,
    bytesOf: (item) => item.length,
    async write(trx, items) {
      sizes.push(items.length);
      await trx('instance').insert(items.map((key) => ({ key, value: 'x' })));
      return items.map((key) => `stored ${key}`);
    },
    ...options,
  });
  return { batch, sizes };
}

test('shares few commits among many callers, and each gets its own result', async () => {
  const { batch, sizes } = batchOf();
  const answers = await Promise.all(Array.from({ length: 300 }, (_, n) => batch.add(`many-${n}`)));
  expect(answers[299]).toBe('stored many-299');
  expect(sizes.length).toBeLessThan(10);
  expect(await database.reader('instance').where('key', 'like', 'many-%')).toHaveLength(300);
});

test('fails one bad item alone', async () => {
  const { batch } = batchOf();
  const results = await Promise.allSettled([batch.add('good-1'), batch.add('good-1'), batch.add('good-2')]);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
});

test('resolves only after the commit', async () => {
  const { batch } = batchOf();
  await batch.add('committed');
  expect(await database.reader('instance').where({ key: 'committed' }).first()).toBeDefined();
});

test('rejects items beyond its bounds instead of growing, and accepts again when it has drained', async () => {
  const { batch } = batchOf({ maxItems: 2 });
  const results = await Promise.allSettled([batch.add('bound-1'), batch.add('bound-2'), batch.add('bound-3')]);
  expect(results[2]).toMatchObject({ status: 'rejected', reason: expect.any(BatchFull) });
  await batch.drain();
  await expect(batch.add('bound-4')).resolves.toBe('stored bound-4');

  const { batch: small } = batchOf({ maxBytes: 5 });
  await expect(small.add('too many bytes')).rejects.toThrow(BatchFull);
});

test('gives every owner a turn, and keeps room when one owner sends too much', async () => {
  const order: string[] = [];
  const { batch } = batchOf({
    maxItems: 20,
    maxBatchItems: 4,
    ownerOf: (item) => item.split('-')[0] ?? '',
    async write(_, items) {
      order.push(...items);
      return items;
    },
  });
  const many = Array.from({ length: 15 }, (_, n) => batch.add(`flood-${n}`));
  const one = batch.add('other-1');
  const results = await Promise.allSettled(many);
  await one;
  expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(5);
  expect(order.indexOf('other-1')).toBe(1);
  expect(order.filter((item) => item.startsWith('flood'))).toEqual(Array.from({ length: 10 }, (_, n) => `flood-${n}`));
});

test('keeps bytes free for others when one owner sends too much', async () => {
  const { batch } = batchOf({ maxBytes: 40, ownerOf: (item) => item.slice(0, 1) });
  const results = await Promise.allSettled([
    batch.add('a'.repeat(15)),
    batch.add('a'.repeat(10)),
    batch.add('b'.repeat(18)),
  ]);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
});
