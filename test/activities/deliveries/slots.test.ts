import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createSlots } from '../../../activities/deliveries/slots.ts';

test('runs a limited number at the same time, in order, and a slow one does not block others', async () => {
  const slots = createSlots(2, 200);
  const begun: number[] = [];
  const work = (number: number, ms: number) =>
    slots.use(async () => {
      begun.push(number);
      await sleep(ms);
    });
  const startedAt = Date.now();
  const slow = [work(1, 2_000), work(2, 2_000)];
  const quick = [work(3, 20), work(4, 20), work(5, 20)];
  expect(begun).toEqual([1, 2]);
  await Promise.all(quick);
  expect(Date.now() - startedAt).toBeLessThan(1_500);
  expect(begun).toEqual([1, 2, 3, 4, 5]);
  await Promise.all(slow);
  // The same number of slots is free again.
  const more = [work(6, 50), work(7, 50), work(8, 50)];
  expect(begun).toEqual([1, 2, 3, 4, 5, 6, 7]);
  await Promise.all(more);
});

test('releases the slot of work that fails', async () => {
  const slots = createSlots(1, 10_000);
  await expect(slots.use(() => Promise.reject(new Error('No')))).rejects.toThrow('No');
  expect(await slots.use(async () => 'done')).toBe('done');
});
