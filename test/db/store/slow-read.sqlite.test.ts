import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.drop());

test('a slow read does not stop the process', async () => {
  let last = performance.now();
  let longestPause = 0;
  const tick = () => {
    const now = performance.now();
    longestPause = Math.max(longestPause, now - last);
    last = now;
  };
  const ticks = setInterval(tick, 5);
  const started = last;
  const count =
    'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000000) SELECT count(*) FROM n';
  await database.reader.raw(count);
  const readMs = performance.now() - started;
  tick();
  clearInterval(ticks);
  expect(readMs).toBeGreaterThan(100);
  expect(longestPause).toBeLessThan(readMs / 2);
});
