import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { createBuckets, createRateLimiter, networkOf } from '../../../api/http/rate-limit.ts';
import { sessionsIn } from '../../../db/people/sessions.ts';
import { adminToken, startApi, type TestApi } from '../../support/api.ts';
import { addGithubApp, hookHeaders, sign } from '../../support/hooks.ts';
import { addOrg, addToken, addUser } from '../../support/scenes/tenants.ts';

// The clock of the limits stands still, so the speed of this machine does not matter.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('the buckets', () => {
  test('allow one minute’s requests at once, and then refill steadily', () => {
    const buckets = createBuckets(600);
    expect(Array.from({ length: 600 }, () => buckets.take('a')).every((wait) => wait === 0)).toBe(true);
    expect(buckets.take('a')).toBeGreaterThan(0);
    expect(buckets.take('b')).toBe(0);
    vi.advanceTimersByTime(101);
    expect(buckets.take('a')).toBe(0);
    expect(buckets.take('a')).toBeGreaterThan(0);
  });

  test('keep a limited number of keys and drop the oldest', () => {
    const buckets = createBuckets(1, 100);
    for (let key = 0; key < 1_000; key += 1) buckets.take(String(key));
    expect(buckets.size()).toBe(100);
    expect(buckets.wait('999')).toBeGreaterThan(0);
    expect(buckets.wait('0')).toBe(0);
  });

  test('share one bucket for all addresses of a subscriber, in any notation', () => {
    expect(networkOf('::ffff:192.0.2.1')).toBe('192.0.2.1');
    expect(networkOf('192.0.2.1:51234')).toBe('192.0.2.1');
    expect(networkOf('2001:db8:1:2:3:4:5:6')).toBe(networkOf('2001:db8:1:2::9'));
    expect(networkOf('[2001:db8:1:2::1]:443')).toBe(networkOf('2001:db8:1:2::9'));
    expect(networkOf('2001:db8:1:3::1')).not.toBe(networkOf('2001:db8:1:2::1'));
    expect(networkOf('x'.repeat(5_000))).toHaveLength(64);
  });
});

describe('the API', () => {
  let api: TestApi;
  let tenant: { orgId: string };
  beforeAll(async () => {
    const limits = { callerPerMinute: 20, publicPerMinute: 15, failuresPerMinute: 10 };
    api = await startApi({ trustProxy: true, limiter: createRateLimiter(limits, new Registry()) });
    tenant = { orgId: await addOrg(api.database) };
    await addGithubApp(api.database, { appId: 77, secret });
  });
  afterAll(() => api.stop());

  const secret = 'the secret of the test’s App';
  let host = 0;
  /** Returns another address for each test, so that they do not share limits. */
  const newAddress = () => `198.51.100.${++host}`;

  async function ask(path: string, from: string, init: RequestInit = {}) {
    const headers = { 'x-forwarded-for': from, ...(init.headers as Record<string, string>) };
    return fetch(`${api.url}${path}`, { ...init, headers });
  }
  const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
  const statuses = async (count: number, one: () => Promise<Response>) => {
    const all: number[] = [];
    for (let at = 0; at < count; at += 1) all.push((await one()).status);
    return all;
  };
  const times = (status: number, count: number): number[] => Array.from({ length: count }, () => status);

  test('limits a caller that sends too many requests, returns Retry-After, and does not affect others', async () => {
    const { secret: token } = await addToken(api.database, tenant, ['projects:read']);
    const { secret: other } = await addToken(api.database, tenant, ['projects:read']);
    const address = newAddress();
    expect(await statuses(20, () => ask('/v1/projects', address, bearer(token)))).toEqual(times(200, 20));
    const refused = await ask('/v1/projects', newAddress(), bearer(token));
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused.json()).toMatchObject({ code: 'too_many_requests', status: 429 });
    expect((await ask('/v1/projects', address, bearer(other))).status).toBe(200);
  });

  test('allows an organization ten times as much, over all its tokens', async () => {
    const orgId = await addOrg(api.database, 'Many tokens');
    const tokens = await Promise.all(
      Array.from({ length: 11 }, async () => (await addToken(api.database, { orgId }, ['projects:read'])).secret),
    );
    const address = newAddress();
    const all: number[] = [];
    for (const token of tokens) all.push(...(await statuses(20, () => ask('/v1/projects', address, bearer(token)))));
    expect(all).toEqual([...times(200, 200), ...times(429, 20)]);
    const { secret: elsewhere } = await addToken(api.database, tenant, ['projects:read']);
    expect((await ask('/v1/projects', address, bearer(elsewhere))).status).toBe(200);
  });

  test('blocks an address that guesses tokens, and still accepts known tokens from there', async () => {
    const { secret: token } = await addToken(api.database, tenant, ['projects:read']);
    const address = newAddress();
    expect((await ask('/v1/projects', address, bearer(token))).status).toBe(200);
    const guess = () => ask('/v1/projects', address, bearer(`flt_${'x'.repeat(43)}`));
    expect(await statuses(12, guess)).toEqual([...times(401, 10), 429, 429]);
    expect((await ask('/v1/projects', address, bearer(token))).status).toBe(200);
    expect((await ask('/v1/projects', address, bearer(adminToken))).status).toBe(200);
    expect((await ask('/sign-in?code=x', address)).status).toBe(429);
    expect((await ask('/v1/projects', newAddress(), bearer(`flt_${'x'.repeat(43)}`))).status).toBe(401);
  });

  test('blocks an address that guesses sign-in codes, in both forms', async () => {
    const [one, two] = [newAddress(), newAddress()];
    const json = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ code: 'w'.repeat(43) }),
    };
    expect(await statuses(11, () => ask('/v1/sessions', one, json))).toEqual([...times(401, 10), 429]);
    const form = () => ask('/sign-in', two, { method: 'POST', body: new URLSearchParams({ code: 'w'.repeat(43) }) });
    expect(await statuses(11, form)).toEqual([...times(401, 10), 429]);
  });

  test('limits anonymous requests, but not probes', async () => {
    const address = newAddress();
    expect(await statuses(16, () => ask('/docs', address))).toEqual([...times(200, 15), 429]);
    expect((await ask('/v1/projects', address)).status).toBe(429);
    expect(await statuses(30, () => ask('/healthz', address))).toEqual(times(200, 30));
  });

  test('never limits correctly signed webhooks, even if other requests from the address are limited', async () => {
    const address = newAddress();
    const body = '{"zen":"Keep it logically awesome."}';
    const hook = (signature: string) =>
      ask('/v1/webhooks/github', address, {
        method: 'POST',
        headers: hookHeaders({ appId: 77, event: 'ping', signature }),
        body,
      });
    const wrong = () => hook(sign('another secret', body));
    expect(await statuses(12, wrong)).toEqual([...times(401, 10), 429, 429]);
    expect(await statuses(40, () => hook(sign(secret, body)))).toEqual(times(202, 40));
    expect((await wrong()).status).toBe(429);
    expect((await ask('/docs', address)).status).toBe(200);
  });

  test('forgets a revoked session at an address that has guessed tokens', async () => {
    const address = newAddress();
    const person = await addUser(api.database, tenant.orgId, 'viewer');
    const session = await api.database.write((trx) => sessionsIn(trx).create(person.id));
    expect((await ask('/v1/me', address, bearer(session.token))).status).toBe(200);
    await statuses(11, () => ask('/v1/me', address, bearer('fls_guessed')));
    await api.database.write((trx) => sessionsIn(trx).revoke(session.id));
    expect((await ask('/v1/me', address, bearer(session.token))).status).toBe(401);
    expect((await ask('/v1/me', address, bearer(session.token))).status).toBe(429);
  });
});
