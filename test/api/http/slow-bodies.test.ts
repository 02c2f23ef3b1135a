import { type ClientRequest, request as httpRequest } from 'node:http';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { startApi, type TestApi } from '../../support/api.ts';
import { addGithubApp, hookHeaders, sign } from '../../support/hooks.ts';

const appId = 4242;
const secret = 'a webhook secret of the test';
const megabyte = 1024 * 1024;
const pace = { silentMs: 400, graceMs: 1_000, bytesPerSecond: 100_000 };

let api: TestApi;
const open: ClientRequest[] = [];

beforeAll(async () => {
  // The API identifies each sender by the address that the proxy reports.
  const arrival = { pace, maxBytes: 12 * megabyte, maxBytesOfOne: 3 * megabyte };
  api = await startApi({ trustProxy: true, webhooks: { arrival } });
  await addGithubApp(api.database, { appId, secret });
});
afterEach(() => {
  for (const request of open.splice(0)) request.destroy();
});
afterAll(() => api.stop());

const signed = (body: Buffer | string) => hookHeaders({ appId, event: 'ping', signature: sign(secret, body) });

/** Starts to send a body of this length, and measures the time until the response. */
function begin(length: number, from: string, headers: Record<string, string> = signed('something else')) {
  const started = performance.now();
  const request = httpRequest(api.hookUrl, {
    method: 'POST',
    headers: { ...headers, 'content-length': String(length), 'x-forwarded-for': from },
  });
  open.push(request);
  const answer = new Promise<{ status: number | undefined; text: string; ms: number }>((resolve, reject) => {
    request.on('error', reject).on('response', (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode, text, ms: performance.now() - started }));
    });
  });
  answer.catch(() => {});
  request.flushHeaders();
  return { request, answer };
}

async function sendWhole(from: string): Promise<number> {
  const body = '{"zen":"Anything added dilutes everything else."}';
  const { request, answer } = begin(Buffer.byteLength(body), from, signed(body));
  request.end(body);
  return (await answer).status ?? 0;
}

test('a body that stops arriving is rejected long before the connection times out', async () => {
  const { request, answer } = begin(2 * megabyte, '192.0.2.1');
  request.write(Buffer.alloc(megabyte));
  const { status, ms } = await answer;
  expect(status).toBe(400);
  expect(ms).toBeLessThan(2_000);
});

test('a body that trickles in is rejected too', async () => {
  const { request, answer } = begin(2 * megabyte, '192.0.2.2');
  const trickle = setInterval(() => request.write(Buffer.alloc(100)), 50);
  const { status, text, ms } = await answer.finally(() => clearInterval(trickle));
  expect(status).toBe(400);
  expect(text).toContain('too slowly');
  expect(ms).toBeGreaterThan(900);
  expect(ms).toBeLessThan(4_000);
});

test('one address can use only its own share of the bytes that may arrive at once', async () => {
  const mine = Array.from({ length: 3 }, () => begin(2 * megabyte, '192.0.2.3'));
  for (const { request } of mine) request.write(Buffer.alloc(megabyte + 1_000));
  const refused = await Promise.race(mine.map(({ answer }) => answer));
  expect(refused.status).toBe(503);
  expect(await sendWhole('192.0.2.4')).toBe(202);
  // The share is free again after the responses.
  await Promise.all(mine.map(({ answer }) => answer));
  expect(await sendWhole('192.0.2.3')).toBe(202);
});

test('an unknown App gets the response for a wrong signature before its body arrives', async () => {
  const headers = { ...signed('x'), 'x-github-hook-installation-target-id': '99999' };
  const unknown = begin(20 * megabyte, '192.0.2.5', headers);
  const answer = await unknown.answer;
  const wrong = begin(1, '192.0.2.5');
  wrong.request.end('x');
  const { status, text } = await wrong.answer;
  expect(answer).toMatchObject({ status: 401, text });
  expect(status).toBe(401);
  expect(answer.ms).toBeLessThan(pace.silentMs);
});
