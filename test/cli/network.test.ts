import { readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Somebody, somebody } from '../support/programs/commands.ts';
import { tlsFile } from '../support/programs/docker-registry.ts';

const project = `prj_${'0'.repeat(26)}`;
const token = 'flt_a-token-of-this-test';
const credential = {
  username: 'robot',
  password: 'pw',
  expires_at: Math.floor(Date.now() / 1000) + 3_600,
  effective_scope: { host: 'ghcr.io' },
};

let me: Somebody;
const open: (() => void)[] = [];
/** The requests that arrived, with their tokens. */
let asked: string[] = [];

beforeEach(() => {
  asked = [];
  me = somebody();
});
afterEach(() => {
  me.leave();
  for (const close of open.splice(0)) close();
});

async function listen(server: ReturnType<typeof createTcpServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, resolve));
  open.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** Starts an instance that responds with `answer`, and returns its address. */
async function instance(answer: RequestListener, tls?: { cert: Buffer; key: Buffer }): Promise<string> {
  const noted: RequestListener = (request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization}`);
    answer(request, response);
  };
  const server = tls ? createTlsServer(tls, noted) : createServer(noted);
  open.push(() => server.closeAllConnections());
  return `${tls ? 'https' : 'http'}://127.0.0.1:${await listen(server)}`;
}

const get = (url: string, more = {}) =>
  me.run('docker-credential-fairlead', ['get'], 'ghcr.io', {
    FAIRLEAD_URL: url,
    FAIRLEAD_PROJECT: project,
    FAIRLEAD_TOKEN: token,
    ...more,
  });
const json = (body: unknown, status = 200): RequestListener => {
  return (_, response) =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
};
const wire = `POST /v1/projects/${project}/credentials/exchange Bearer ${token}`;

test('supports an instance below a path, and sends the token only as a header', async () => {
  const url = await instance(json(credential));
  expect((await get(`${url}/fairlead/`)).code).toBe(0);
  expect(asked).toEqual([wire.replace('/v1', '/fairlead/v1')]);
});

test('trusts a named certificate, and sends nothing without it', async () => {
  const tls = { cert: readFileSync(tlsFile('loopback')), key: readFileSync(tlsFile('loopback-key')) };
  const url = await instance(json(credential), tls);
  const distrusted = await get(url);
  expect(distrusted).toMatchObject({ code: 1, stdout: expect.stringMatching(/not trusted \(\w+\).*FAIRLEAD_CA_FILE/) });
  expect(asked).toEqual([]);
  expect(await get(url, { FAIRLEAD_CA_FILE: tlsFile('loopback') })).toMatchObject({ code: 0 });
  const otherName = await get(url.replace('127.0.0.1', '127.0.0.2'), { FAIRLEAD_CA_FILE: tlsFile('loopback') });
  expect(otherName).toMatchObject({ code: 1, stdout: expect.stringContaining('ALTNAME') });
  expect(asked).toEqual([wire]);
});

test('retries once after a broken connection', async () => {
  let connections = 0;
  const breaks = (times: number) => {
    const whole = createServer((_, response) => void response.end(JSON.stringify(credential)));
    return createTcpServer((socket: Socket) => {
      connections += 1;
      if (connections <= times) return void socket.resetAndDestroy();
      whole.emit('connection', socket);
    });
  };
  expect(await get(`http://127.0.0.1:${await listen(breaks(1))}`)).toMatchObject({ code: 0 });
  expect(connections).toBe(2);
  connections = 0;
  const dead = await get(`http://127.0.0.1:${await listen(breaks(9))}`, { FAIRLEAD_PURPOSE: 'push' });
  expect(dead).toMatchObject({ code: 1, stdout: expect.stringContaining('cannot be reached: ECONNRESET') });
  expect(connections).toBe(2);
});

test('retries once after a 503', async () => {
  const busy = { code: 'unavailable', title: 'Temporarily unavailable' };
  const url = await instance((request, response) => {
    const answer = asked.length === 1 ? json(busy, 503) : json(credential);
    answer(request, response);
  });
  expect(await get(url)).toMatchObject({ code: 0 });
  expect(asked).toHaveLength(2);
});

test('stops waiting for a response after FAIRLEAD_TIMEOUT', async () => {
  const url = await instance((_, response) => void response.writeHead(200).write('{'));
  const since = Date.now();
  const answer = await get(url, { FAIRLEAD_TIMEOUT: '1' });
  expect(answer).toMatchObject({ code: 1, stdout: expect.stringContaining('did not respond within 1 s') });
  expect(Date.now() - since).toBeLessThan(8_000);
  expect(asked).toHaveLength(1);
});

test('does not follow a redirect with the token', async () => {
  const url = await instance((_, response) => void response.writeHead(307, { location: '/elsewhere' }).end());
  expect(await get(url)).toMatchObject({ code: 1, stdout: expect.stringContaining('returned 307') });
  expect(asked).toEqual([wire]);
});

test.each<[string, RequestListener, RegExp]>([
  ['a page', (_, response) => void response.end('<html>hello</html>'), /not as Fairlead does/],
  ['nothing', (_, response) => void response.writeHead(204).end(), /not as Fairlead does/],
  ['a list', json([]), /response is incomplete/],
  ['no password', json({ ...credential, password: undefined }), /response is incomplete/],
  ['a number for a password', json({ ...credential, password: 7 }), /response is incomplete/],
  ['no expiry', json({ ...credential, expires_at: undefined }), /response is incomplete/],
  ['no host', json({ ...credential, effective_scope: {} }), /response is incomplete/],
  ['too long a body', (_, response) => void response.end('x'.repeat(5_000_000)), /too long/],
  [
    'control characters for the terminal',
    json({ code: 'not\u001b[31m', title: 'a\u0007b\nc', detail: '\u202ed'.repeat(2_000) }, 409),
    /^a b c: .{1,520}\n$/s,
  ],
])('reports a response with %s', async (_, answer, said) => {
  const done = await get(await instance(answer));
  expect(done).toMatchObject({ code: 1, stdout: expect.stringMatching(said), stderr: '' });
  expect(done.stdout).not.toMatch(/[^\n\P{Cc}]|\u202e|pw|flt_/u);
});
