import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApi, type TestApi } from '../../support/api.ts';
import { openTestDatabase } from '../../support/database.ts';

let api: TestApi;
let writes = 0;

beforeAll(async () => {
  const database = await openTestDatabase();
  api = await startApi({
    database: {
      ...database,
      write(work) {
        writes += 1;
        return database.write(work);
      },
    },
  });
});
afterAll(() => api.stop());

test('a wrong sign-in code does not reach the single writer', async () => {
  const wrong = 'w'.repeat(43);
  const json = {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ code: wrong }),
  };
  expect((await fetch(`${api.url}/v1/sessions`, json)).status).toBe(401);
  const form = { method: 'POST', body: new URLSearchParams({ code: wrong }) };
  expect((await fetch(`${api.url}/sign-in`, form)).status).toBe(401);
  expect(writes).toBe(0);
});
