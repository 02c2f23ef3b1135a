import { randomUUID } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deliveryQueue } from '../../../db/deliveries/delivery-queue.ts';
import { startApi, type TestApi } from '../../support/api.ts';
import type { TestDatabase } from '../../support/database.ts';
import { addGithubApp, hookHeaders, productLimits, sign } from '../../support/hooks.ts';

const appId = 4242;
const secret = 'a webhook secret of the test';
const megabyte = 1024 * 1024;

let database: TestDatabase;
let api: TestApi;
let githubAppId: string;

beforeAll(async () => {
  api = await startApi({ limiter: productLimits(), trustProxy: true });
  database = api.database;
  githubAppId = (await addGithubApp(database, { appId, secret })).id;
});
afterAll(() => api.stop());

type Sent = { status: number; text: string; json: { delivery_id: string; duplicate: boolean } };

async function post(body: string | Buffer, headers: Record<string, string>, url = api.hookUrl): Promise<Sent> {
  const response = await fetch(url, { method: 'POST', body, headers });
  const text = await response.text();
  return { status: response.status, text, json: JSON.parse(text) };
}

const push = (marker: string) => JSON.stringify({ ref: 'refs/heads/main', marker });

function headersFor(body: string | Buffer, changes: Record<string, string | undefined> = {}, event = 'push') {
  const headers = { ...hookHeaders({ appId, event, signature: sign(secret, body) }), ...changes };
  return Object.fromEntries(
    Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

async function countRows(): Promise<number> {
  const [row] = await database.reader('deliveries').count({ count: '*' });
  return Number(row?.['count']);
}

async function expectRefused(status: number, send: () => Promise<{ status: number; text: string }>): Promise<string> {
  const before = await countRows();
  const answer = await send();
  expect(answer.status).toBe(status);
  expect(await countRows()).toBe(before);
  return answer.text;
}

test('stores a signed webhook unchanged, with an allow-list of its headers, before it responds', async () => {
  const body = '{ "ref" :\t"refs/heads/main",\r\n  "ünïcode": "\\u00fc" }\n';
  const headers = headersFor(body, { 'x-github-encoded-secret': 'c2VjcmV0', cookie: 'a=b' });
  const answer = await post(body, headers);
  expect(answer).toMatchObject({ status: 202, json: { duplicate: false } });

  const row = await database.reader('deliveries').where({ id: answer.json.delivery_id }).first();
  expect(row).toMatchObject({
    github_app_id: githubAppId,
    provider_delivery_id: headers['x-github-delivery'],
    event: 'push',
    status: 'received',
    size: Buffer.byteLength(body),
    org_id: null,
  });
  expect(JSON.parse(row?.headers ?? '')).toEqual({
    'content-type': 'application/json',
    'user-agent': 'GitHub-Hookshot/0123abc',
    'x-github-hook-id': '42',
    'x-github-hook-installation-target-id': '4242',
    'x-github-hook-installation-target-type': 'integration',
  });
  const stored = await database.reader('delivery_bodies').where({ delivery_id: answer.json.delivery_id }).first();
  expect(stored?.body.toString()).toBe(body);
});

test('verifies GitHub’s published example of a signature', async () => {
  // https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
  await addGithubApp(database, { appId: 1, secret: "It's a Secret to Everybody" });
  const signature = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';
  const headers = hookHeaders({ appId: 1, event: 'push', signature });
  expect((await post('Hello, World!', headers)).status).toBe(202);
  await expectRefused(401, () => post('Hello, World?', headers));
});

test('returns the same response to unsigned and wrongly signed webhooks, and stores nothing', async () => {
  const body = push('unsigned');
  const good = sign(secret, body);
  const flipped = good.slice(0, -1) + (good.endsWith('0') ? '1' : '0');
  const sha1 = { 'x-hub-signature-256': undefined, 'x-hub-signature': 'sha1=2fd4e1c67a2d28fced849ee1bb76e7391b93eb12' };
  const other = await addGithubApp(database, { appId: 77, secret: 'another secret' });
  const nobody = 'gha_0123456789abcdefghjkmnpqrs';
  const texts = new Set<string>();
  const refuse = async (changes: Record<string, string | undefined>, path = '') => {
    texts.add(await expectRefused(401, () => post(body, headersFor(body, changes), api.hookUrl + path)));
  };
  await refuse({ 'x-hub-signature-256': flipped });
  await refuse({ 'x-hub-signature-256': undefined });
  await refuse(sha1);
  await refuse({ 'x-hub-signature-256': '' });
  await refuse({ 'x-hub-signature-256': good.toUpperCase() });
  await refuse({ 'x-hub-signature-256': good.slice('sha256='.length) });
  await refuse({ 'x-hub-signature-256': good.slice(0, -2) });
  await refuse({ 'x-hub-signature-256': `${good}00` });
  await refuse({ 'x-hub-signature-256': good.replace('sha256', 'sha512') });
  await refuse({ 'x-github-hook-installation-target-id': '99999' });
  await refuse({ 'x-github-hook-installation-target-id': undefined });
  await refuse({ 'x-github-hook-installation-target-id': '4242e0' });
  // One App's signature at another's address, an unknown address, and an address that contradicts the header.
  await refuse({ 'x-github-hook-installation-target-id': undefined }, `/${other.id}`);
  await refuse({ 'x-github-hook-installation-target-id': undefined }, `/${nobody}`);
  await refuse({}, `/${nobody}`);
  await refuse({ 'x-github-hook-installation-target-id': '77' }, `/${githubAppId}`);
  await refuse({}, '/not-an-id');
  expect(texts.size).toBe(1);
});

test('rejects a repeated signature header, even if both values are valid', async () => {
  const body = push('twice');
  const signature = sign(secret, body);
  const send = () =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const { 'x-hub-signature-256': _, ...headers } = headersFor(body);
      const request = httpRequest(api.hookUrl, { method: 'POST' }, (response) => {
        response.resume().on('end', () => resolve({ status: response.statusCode ?? 0, text: '' }));
      });
      for (const [name, value] of Object.entries(headers)) request.setHeader(name, value);
      request.setHeader('x-hub-signature-256', [signature, signature]);
      request.on('error', reject).end(body);
    });
  await expectRefused(401, send);
});

test('verifies nothing with an empty secret', async () => {
  const app = await addGithubApp(database, { appId: 5, secret: '' });
  const body = push('empty secret');
  const headers = { 'x-github-hook-installation-target-id': '5', 'x-hub-signature-256': sign('', body) };
  await expectRefused(401, () => post(body, headersFor(body, headers)));
  await expectRefused(401, () => post(body, headersFor(body, headers), `${api.hookUrl}/${app.id}`));
});

test('accepts the App in the address, and both secrets during a rotation', async () => {
  const app = await addGithubApp(database, { appId: 6, secret: 'the first secret' });
  await addGithubApp(database, { appId: 6, secret: 'the second secret' });
  for (const signedWith of ['the first secret', 'the second secret']) {
    const body = push(signedWith);
    const headers = headersFor(body, {
      'x-hub-signature-256': sign(signedWith, body),
      'x-github-hook-installation-target-id': undefined,
    });
    expect((await post(body, headers, `${api.hookUrl}/${app.id}`)).status).toBe(202);
  }
});

test('uses the header to choose between two hosts with the same App number', async () => {
  await addGithubApp(database, { appId: 8, secret: 'of github.com' });
  const enterprise = await addGithubApp(database, {
    appId: 8,
    secret: 'of the enterprise',
    hostUrl: 'https://ghe.test',
  });
  const body = push('two hosts');
  const headers = headersFor(body, {
    'x-github-hook-installation-target-id': '8',
    'x-hub-signature-256': sign('of the enterprise', body),
  });
  await expectRefused(401, () => post(body, headers));
  const answer = await post(body, { ...headers, 'x-github-enterprise-host': 'ghe.test' });
  expect(answer.status).toBe(202);
  const row = await database.reader('deliveries').where({ id: answer.json.delivery_id }).first();
  expect(row?.github_app_id).toBe(enterprise.id);
});

test('does nothing without a delivery ID, an event or JSON', async () => {
  const body = push('ill-formed');
  for (const changes of [
    { 'x-github-delivery': undefined },
    { 'x-github-delivery': 'not-a-guid' },
    { 'x-github-delivery': `${randomUUID()}, ${randomUUID()}` },
    { 'x-github-event': undefined },
    { 'x-github-event': `p${'u'.repeat(100)}sh` },
    { 'x-github-event': 'push; drop' },
  ]) {
    await expectRefused(400, () => post(body, headersFor(body, changes)));
  }
  await expectRefused(415, () => post(body, headersFor(body, { 'content-type': 'application/x-www-form-urlencoded' })));
  await expectRefused(415, () => post(body, headersFor(body, { 'content-encoding': 'gzip' })));
});

test('accepts 24 MB and rejects 26 MB, with or without a declared length', async () => {
  const body = Buffer.alloc(24 * megabyte, ' ');
  body.write('{"ref":"refs/heads/main"}');
  const answer = await post(body, headersFor(body));
  expect(answer.status).toBe(202);
  expect((await deliveryQueue(database.reader).body(answer.json.delivery_id))?.equals(body)).toBe(true);

  const large = Buffer.alloc(26 * megabyte, ' ');
  await expectRefused(413, () => post(large, headersFor(large)));

  async function* chunks() {
    for (let at = 0; at < large.length; at += megabyte) yield large.subarray(at, at + megabyte);
  }
  await expectRefused(413, async () => {
    const init = { method: 'POST', body: chunks(), headers: headersFor(large), duplex: 'half' };
    const response = await fetch(api.hookUrl, init as unknown as RequestInit);
    return { status: response.status, text: await response.text() };
  });
});

test('stores one row for 200 copies of the same push at the same time', async () => {
  const body = push('200 times');
  const headers = headersFor(body);
  const answers = await Promise.all(Array.from({ length: 200 }, () => post(body, headers)));
  expect(answers.every(({ status }) => status === 202)).toBe(true);
  expect(new Set(answers.map(({ json }) => json.delivery_id)).size).toBe(1);
  expect(answers.filter(({ json }) => !json.duplicate)).toHaveLength(1);
});

test('stores one row for the same signed push under 50 new IDs, and separate rows for other identical events', async () => {
  const body = push('replayed');
  const send = (event: string) => () => post(body, headersFor(body, {}, event));
  const pushes = await Promise.all(Array.from({ length: 50 }, send('push')));
  expect(new Set(pushes.map(({ json }) => json.delivery_id)).size).toBe(1);
  const others = await Promise.all(Array.from({ length: 5 }, send('workflow_run')));
  expect(new Set(others.map(({ json }) => json.delivery_id)).size).toBe(5);
});

test('treats a known ID with another body as a duplicate, and counts it', async () => {
  const first = await post(push('first body'), headersFor(push('first body'), { 'x-github-delivery': randomUUID() }));
  const row = await database.reader('deliveries').where({ id: first.json.delivery_id }).first();
  const guid = row?.provider_delivery_id ?? '';
  const answer = await post(push('other body'), headersFor(push('other body'), { 'x-github-delivery': guid }));
  expect(answer.json).toEqual({ delivery_id: first.json.delivery_id, duplicate: true });
  expect(await api.registry.metrics()).toContain('known="with_another_body"} 1');
});

test('retries a failed delivery that is sent again, but not a decided one', async () => {
  for (const [status, after] of [
    ['failed', 'received'],
    ['processed', 'processed'],
    ['ignored', 'ignored'],
  ] as const) {
    const body = push(`again ${status}`);
    const headers = headersFor(body);
    const { json } = await post(body, headers);
    await database.write((trx) =>
      trx('deliveries').where({ id: json.delivery_id }).update({ status, attempts: 5, reason: 'x', decided_at: 1 }),
    );
    expect((await post(body, headers)).json.delivery_id).toBe(json.delivery_id);
    const row = await database.reader('deliveries').where({ id: json.delivery_id }).first();
    expect(row).toMatchObject({ status: after, attempts: after === 'received' ? 0 : 5 });
  }
});

test('returns a Retry-After header when its queue is full', async () => {
  const narrow = await startApi({ database, webhooks: { bounds: { maxItems: 3 } } });
  const bodies = Array.from({ length: 60 }, (_, index) => push(`bound ${index}`));
  const before = await countRows();
  const responses = await Promise.all(
    bodies.map((body) => fetch(narrow.hookUrl, { method: 'POST', body, headers: headersFor(body) })),
  );
  const refused = responses.filter(({ status }) => status === 503);
  expect(refused.length).toBeGreaterThan(0);
  expect(responses.filter(({ status }) => status === 202)).toHaveLength(60 - refused.length);
  expect(await countRows()).toBe(before + 60 - refused.length);
  expect(refused[0]?.headers.get('retry-after')).toBe('5');
  expect(await narrow.registry.metrics()).toContain(`reason="too_many"} ${refused.length}`);
  await narrow.close();
});

test('never accepts random changes of body or signature', async () => {
  const body = push('mutations');
  const signature = sign(secret, body);
  const before = await countRows();
  const flip = (text: string, from: number) => {
    const at = from + Math.floor(Math.random() * (text.length - from));
    const changed = text[at] === 'a' ? 'b' : 'a';
    return text.slice(0, at) + changed + text.slice(at + 1);
  };
  const tries = Array.from({ length: 100 }, (_, index) => {
    // Each request comes from its own address: otherwise the rate limit would reject the last ones.
    const from = { 'x-forwarded-for': `192.0.2.${index}` };
    return index % 2 === 0
      ? post(flip(body, 0), headersFor(body, { ...from, 'x-hub-signature-256': signature }))
      : post(body, headersFor(body, { ...from, 'x-hub-signature-256': flip(signature, 7) }));
  });
  expect(new Set((await Promise.all(tries)).map(({ status }) => status))).toEqual(new Set([401]));
  expect(await countRows()).toBe(before);
});
