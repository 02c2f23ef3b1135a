import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createLanes } from '../../broker/lanes.ts';

function scene() {
  const lanes = createLanes({ most: 2, mostWaiting: 2 });
  const open: { owner: string; end: (error?: Error) => void }[] = [];
  const run = (owner: string) =>
    lanes(
      owner,
      () =>
        new Promise<string>((resolve, reject) => {
          open.push({ owner, end: (error) => (error ? reject(error) : resolve(owner)) });
        }),
    );
  return { run, open };
}

test('runs a few tasks of one owner at once, queues some more, and rejects the rest', async () => {
  const { run, open } = scene();
  const all = [run('greedy'), run('greedy'), run('greedy'), run('greedy')];
  await expect(run('greedy')).rejects.toMatchObject({ code: 'secondary_limited', retryAfterMs: 1_000 });
  const other = run('other');
  await sleep(1);
  expect(open.map(({ owner }) => owner)).toEqual(['greedy', 'greedy', 'other']);

  open[2]?.end();
  expect(await other).toBe('other');
  open[0]?.end(new Error('no'));
  await expect(all[0]).rejects.toThrow('no');
  await sleep(1);
  expect(open).toHaveLength(4);
  for (const at of [1, 3]) open[at]?.end();
  await sleep(1);
  open[4]?.end();
  expect(await Promise.all(all.slice(1))).toEqual(['greedy', 'greedy', 'greedy']);
  // The queue is empty, and as many may run as before.
  const again = [run('greedy'), run('greedy')];
  await sleep(1);
  expect(open).toHaveLength(7);
  for (const { end } of open) end();
  await Promise.all(again);
});
