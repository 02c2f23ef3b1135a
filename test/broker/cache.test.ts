import { expect, test } from 'vitest';
import { createExpiringCache } from '../../broker/cache.ts';

const minute = 60_000;

function cacheAt(start: number, maxEntries = 100, renewAfter = 1, mostOfOwner = 100) {
  const clock = { now: start };
  const cache = createExpiringCache<{ expiresAt: number; name: string }>({
    marginMs: 5 * minute,
    now: () => clock.now,
    maxEntries,
    mostOfOwner,
    renewAfter,
  });
  let made = 0;
  const make = async () => {
    made += 1;
    return { name: `value ${made}`, expiresAt: clock.now + 60 * minute };
  };
  return { clock, cache, make, made: () => made };
}

test('returns a value until five minutes before it expires', async () => {
  const { clock, cache, make } = cacheAt(0);
  const first = await cache.get('a', make);
  clock.now = 55 * minute - 1;
  expect(await cache.get('a', make)).toBe(first);
  clock.now = 55 * minute;
  expect(await cache.get('a', make)).not.toBe(first);
});

test('returns a value with a lifetime of minutes for four fifths of it', async () => {
  const { clock, cache } = cacheAt(0);
  let made = 0;
  const make = async () => {
    made += 1;
    return { name: `value ${made}`, expiresAt: clock.now + 5 * minute };
  };
  await cache.get('a', make);
  clock.now = 4 * minute - 1;
  await cache.get('a', make);
  await cache.get('a', make, { leastMs: minute });
  expect(made).toBe(1);
  await cache.get('a', make, { leastMs: minute + 1 });
  expect(made).toBe(2);
  clock.now += 4 * minute;
  await cache.get('a', make);
  expect(made).toBe(3);
});

test('rejects all waiting callers when the creation fails, and tries again for the next one', async () => {
  const { cache, make, made } = cacheAt(0);
  const fail = () => Promise.reject(new Error('no'));
  const waited = await Promise.allSettled([cache.get('a', fail), cache.get('a', make), cache.get('a', make)]);
  expect(waited.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  expect(made()).toBe(0);
  expect((await cache.get('a', make)).name).toBe('value 1');
});

test('creates a dropped value again, and keeps the new value when the old one is dropped again', async () => {
  const { cache, make } = cacheAt(0);
  const first = await cache.get('a', make);
  cache.drop('a', first);
  const second = await cache.get('a', make);
  expect(second.name).toBe('value 2');
  cache.drop('a', first);
  expect(await cache.get('a', make)).toBe(second);
});

test('evicts the oldest values', async () => {
  const { cache, make, made } = cacheAt(0, 2);
  for (const key of ['a', 'b', 'c', 'b', 'c']) await cache.get(key, make);
  expect(made()).toBe(3);
  await cache.get('a', make);
  expect(made()).toBe(4);
});

test('creates a new value if the caller needs a longer remaining lifetime', async () => {
  const { clock, cache, make } = cacheAt(0);
  const first = await cache.get('a', make);
  clock.now = 20 * minute;
  expect(await cache.get('a', make, { leastMs: 39 * minute })).toBe(first);
  const second = await cache.get('a', make, { leastMs: 40 * minute });
  expect(second).not.toBe(first);
  expect(await cache.get('a', make)).toBe(second);
});

test('returns a value late in its lifetime and renews it once in the background', async () => {
  const { clock, cache, make, made } = cacheAt(0, 100, 0.8);
  const first = await cache.get('a', make);
  clock.now = 48 * minute;
  expect(await cache.get('a', make)).toBe(first);
  expect(made()).toBe(1);
  clock.now += 1;
  const asked = await Promise.all([cache.get('a', make), cache.get('a', make)]);
  expect(asked).toEqual([first, first]);
  await Promise.resolve();
  expect(made()).toBe(2);
  expect((await cache.get('a', make)).name).toBe('value 2');
});

test('retries a failed renewal a little later, and rejects no caller while it has a value', async () => {
  const { clock, cache, make } = cacheAt(0, 100, 0.8);
  const first = await cache.get('a', make);
  let tried = 0;
  const fail = async () => {
    tried += 1;
    throw new Error('no');
  };
  clock.now = 50 * minute;
  expect(await cache.get('a', fail)).toBe(first);
  expect(await cache.get('a', fail)).toBe(first);
  expect(tried).toBe(1);
  clock.now += 31_000;
  expect(await cache.get('a', fail)).toBe(first);
  expect(tried).toBe(2);
  clock.now = 55 * minute;
  await expect(cache.get('a', fail)).rejects.toThrow('no');
});

test('a tenant that requests many distinct values evicts only its own', async () => {
  const { cache, make, made } = cacheAt(0, 100, 1, 2);
  const get = (owner: string | undefined, key: string) => cache.get(`${owner} ${key}`, make, { owner });
  await get('quiet', 'a');
  await get(undefined, 'a');
  for (const key of ['a', 'b', 'a', 'c']) await get('greedy', key);
  expect(made()).toBe(5);
  await get('quiet', 'a');
  await get(undefined, 'a');
  await get('greedy', 'c');
  await get('greedy', 'b');
  expect(made()).toBe(5);
  // The third key evicted the first one.
  await get('greedy', 'a');
  expect(made()).toBe(6);
});

test('does not count dropped values', async () => {
  const { cache, make, made } = cacheAt(0, 100, 1, 2);
  const owner = 'one';
  cache.drop('a', await cache.get('a', make, { owner }));
  await cache.get('b', make, { owner });
  await cache.get('c', make, { owner });
  await cache.get('b', make, { owner });
  expect(made()).toBe(3);
});

test('evicts from the owner with the most entries when the whole cache is full', async () => {
  const { cache, make, made } = cacheAt(0, 3);
  await cache.get('mine', make, { owner: 'me' });
  for (const key of ['1', '2', '3', '4']) await cache.get(key, make, { owner: 'flood' });
  await cache.get('mine', make, { owner: 'me' });
  expect(made()).toBe(5);
});
