import { expect, test } from 'vitest';
import { type Scripted, scriptedGitHub } from '../../support/fakes/scripted-github.ts';
import { rsaKeyPair } from '../../support/rsa-keys.ts';

const { privateKey } = rsaKeyPair();

async function scripted(...answers: Scripted[]) {
  const { github, seen } = await scriptedGitHub(answers);
  return { log: github.asApp({ appId: 7, privateKey }), seen };
}

const guid = '0B989BA4-242F-11E5-81E1-C7B6966D2516';
const attempt = {
  id: 12_345_678,
  guid,
  delivered_at: '2026-11-01T11:59:58Z',
  redelivery: false,
  duration: 0.27,
  status: 'failed to connect to host',
  status_code: 502,
  event: 'push',
  action: null,
  installation_id: 123,
  repository_id: 456,
  throttled_at: null,
};

test('returns a page of the log with the cursor of the next one', async () => {
  const next = 'v1_12345677:a.b-c%==';
  const link = `<https://elsewhere.example/app/hook/deliveries?per_page=100&cursor=${encodeURIComponent(next)}>; rel="next"`;
  const { log, seen } = await scripted(
    { body: [attempt], headers: { link, date: 'Sun, 01 Nov 2026 12:00:00 GMT' } },
    { body: [], headers: { date: 'soon' } },
  );
  const page = await log.listHookDeliveries();
  expect(page).toEqual({
    entries: [
      {
        id: 12_345_678,
        guid: guid.toLowerCase(),
        event: 'push',
        deliveredAt: Date.parse('2026-11-01T11:59:58Z'),
        redelivery: false,
        statusCode: 502,
      },
    ],
    next,
    now: Date.parse('2026-11-01T12:00:00Z'),
  });
  expect(await log.listHookDeliveries(page.next)).toEqual({ entries: [], next: undefined, now: undefined });
  // Takes only the cursor, because Fairlead does not follow the URL of the link.
  expect(seen.map(({ path }) => path)).toEqual([
    '/app/hook/deliveries?per_page=100',
    `/app/hook/deliveries?per_page=100&cursor=${encodeURIComponent(next)}`,
  ]);
});

test.each([
  ['a sentence', encodeURIComponent('Bearer of some text')],
  ['a path', '..%2F..%2Fuser'],
  ['one that is too long', 'a'.repeat(121)],
  ['one that cannot be decoded', 'v1_%zz'],
  ['none', ''],
])('returns no next page for %s', async (_, cursor) => {
  const link = `<https://elsewhere.example/?cursor=${cursor}>; rel="next"`;
  const { log } = await scripted({ body: [attempt], headers: { link } });
  expect(await log.listHookDeliveries()).toMatchObject({ entries: [{ id: attempt.id }], next: undefined });
});

test('reads a delivery in full, with lower-case header names', async () => {
  const request = {
    headers: { 'X-GitHub-Event': 'push', 'X-Hub-Signature-256': 'sha256=ab', Odd: 7 },
    payload: { a: 1 },
  };
  const { log } = await scripted({ body: { ...attempt, url: 'https://x', request, response: {} } });
  expect(await log.getHookDelivery(attempt.id)).toEqual({
    guid: guid.toLowerCase(),
    event: 'push',
    headers: { 'x-github-event': 'push', 'x-hub-signature-256': 'sha256=ab' },
    payload: { a: 1 },
  });
});

test.each([
  ['without what was sent', { ...attempt, request: { headers: null, payload: null } }],
  ['that is no delivery', { message: 'something else' }],
])('rejects a delivery %s', async (_, body) => {
  const { log } = await scripted({ body });
  await expect(log.getHookDelivery(attempt.id)).rejects.toMatchObject({ code: 'unexpected', status: 200 });
});

test.each([
  ['an id that is no number', { ...attempt, id: '../../user' }],
  ['a time that is none', { ...attempt, delivered_at: 'yesterday' }],
])('rejects a log with %s', async (_, entry) => {
  const { log } = await scripted({ body: [entry] });
  await expect(log.listHookDeliveries()).rejects.toMatchObject({ code: 'unexpected' });
});

test('requests a redelivery once, and reports a rejection', async () => {
  const asked = await scripted({ status: 202, body: {} });
  await asked.log.redeliver(attempt.id);
  expect(asked.seen).toMatchObject([{ method: 'POST', path: `/app/hook/deliveries/${attempt.id}/attempts` }]);

  const refused = await scripted({ status: 422, body: { message: 'too old' } });
  await expect(refused.log.redeliver(attempt.id)).rejects.toMatchObject({ code: 'validation', status: 422 });
  expect(refused.seen).toHaveLength(1);
});

test('returns the retry time of a rate limit, and the owner of a rejected key', async () => {
  const limited = await scripted({
    status: 403,
    headers: { 'retry-after': '77' },
    body: { message: 'secondary rate limit' },
  });
  await expect(limited.log.listHookDeliveries()).rejects.toMatchObject({
    code: 'secondary_limited',
    retryAfterMs: 77_000,
  });
  const refused = await scripted({ status: 401, body: { message: 'A JSON web token could not be decoded' } });
  await expect(refused.log.listHookDeliveries()).rejects.toMatchObject({ code: 'app_credentials_rejected' });
});
