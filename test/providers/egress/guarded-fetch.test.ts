import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseAllowedHosts } from '../../../domain/connect/allowed-hosts.ts';
import { EgressError } from '../../../providers/egress/egress-error.ts';
import { createGuardedFetch, type FetchInit } from '../../../providers/egress/guarded-fetch.ts';

const servers: Server[] = [];
let connections = 0;
/** A listener on loopback that no refused request may reach. */
let canaryPort = 0;

beforeEach(async () => {
  connections = 0;
  const canary = await listen((_, response) => response.end('reached'));
  canary.on('connection', () => {
    connections += 1;
  });
  canaryPort = portOf(canary);
});

afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

async function listen(listener: RequestListener): Promise<Server> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  servers.push(server);
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

function guarded(allowed = '', more: Partial<Parameters<typeof createGuardedFetch>[0]> = {}) {
  return createGuardedFetch({ allowedHosts: parseAllowedHosts(allowed), timeoutMs: 2000, maxBytes: 10_000, ...more });
}

async function codeOf(sent: Promise<unknown>): Promise<string> {
  const error = await sent.then(
    () => undefined,
    (error: unknown) => error,
  );
  return error instanceof EgressError ? error.code : `not refused: ${String(error)}`;
}

test('dials no internal address in any notation', async () => {
  const hosts = [
    '127.0.0.1',
    '0x7f000001',
    '0x7f.1',
    '2130706433',
    '017700000001',
    '127.1',
    '127.0.0.1.',
    '0.0.0.0',
    '0',
    '①②⑦.0.0.1',
    '１２７.0.0.1',
    '127。0。0。1',
    '%31%32%37.0.0.1',
    '[::]',
    '[::1]',
    '[::127.0.0.1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[0:0:0:0:0:ffff:127.0.0.1]',
    '[64:ff9b::127.0.0.1]',
    '[2002:7f00:1::]',
    '[fd00:ec2::254]',
    '[fe80::1]',
    '169.254.169.254',
    '100.100.100.200',
    '10.0.0.1',
    '224.0.0.1',
    'localhost',
    'LOCALHOST',
    'localhost.',
  ];
  const addresses = hosts.flatMap((host) => [
    `https://${host}/`,
    `https://${host}:${canaryPort}/`,
    `http://${host}:${canaryPort}/`,
  ]);

  const codes = await Promise.all(addresses.map((address) => codeOf(guarded()(address))));

  // Some systems do not resolve `localhost.` at all.
  expect(codes.filter((code) => code !== 'host_not_allowed' && code !== 'unreachable')).toEqual([]);
  expect(codes.filter((code) => code === 'host_not_allowed').length).toBeGreaterThanOrEqual(addresses.length - 1);
  expect(connections).toBe(0);
});

test.each([
  ['a user in the address', () => `https://user:secret@127.0.0.1:${canaryPort}/`],
  ['another scheme', () => `ftp://127.0.0.1:${canaryPort}/`],
  ['a file', () => 'file:///etc/passwd'],
  ['inline data', () => 'data:text/plain,hello'],
  ['plain HTTP to a public host', () => 'http://example.com/'],
  ['an unusual port', () => 'https://example.com:8443/'],
  ['something that is no address', () => 'not an address'],
])('refuses %s before resolving anything', async (_, address) => {
  const asked: string[] = [];
  const resolve = async (name: string) => {
    asked.push(name);
    return ['127.0.0.1'];
  };

  expect(await codeOf(guarded(`https://127.0.0.1:${canaryPort}`, { resolve })(address()))).toBe('host_not_allowed');
  expect(asked).toEqual([]);
  expect(connections).toBe(0);
});

test('refuses a name with one internal address among public ones', async () => {
  const fetch = guarded('', { resolve: async () => ['93.184.216.34', '127.0.0.1'] });

  expect(await codeOf(fetch('https://rebind.example/'))).toBe('host_not_allowed');
});

test('dials the checked address, and never asks the resolver a second time', async () => {
  const answers = [['192.0.2.1'], ['127.0.0.1']];
  let asked = 0;
  const resolve = async () => answers[Math.min(asked++, 1)] ?? [];
  // An origin entry trusts the name, so only the dialled address decides where the request goes.
  const fetch = guarded(`http://rebind.example:${canaryPort}`, { resolve, timeoutMs: 300 });

  expect(await codeOf(fetch(`http://rebind.example:${canaryPort}/`))).toMatch(/timeout|unreachable/);
  expect(asked).toBe(1);
  expect(connections).toBe(0);
});

test('refuses the second request when a name has become internal', async () => {
  const answers = [['192.0.2.1'], ['127.0.0.1']];
  let asked = 0;
  const fetch = guarded('', { resolve: async () => answers[Math.min(asked++, 1)] ?? [], timeoutMs: 300 });

  await codeOf(fetch('https://rebind.example/'));
  expect(await codeOf(fetch('https://rebind.example/'))).toBe('host_not_allowed');
});

test('opens exactly the scheme, host and port of an origin entry', async () => {
  const fetch = guarded(`http://127.0.0.1:${canaryPort}`);

  expect(await (await fetch(`http://127.0.0.1:${canaryPort}/`)).text()).toBe('reached');
  expect(await codeOf(fetch(`http://localhost:${canaryPort}/`))).toBe('host_not_allowed');
  expect(await codeOf(fetch(`https://127.0.0.1:${canaryPort}/`))).toBe('host_not_allowed');
  expect(await codeOf(fetch('http://127.0.0.1:1/'))).toBe('host_not_allowed');
});

test('opens only https on port 443 for a host entry', async () => {
  const fetch = guarded('127.0.0.1');

  expect(await codeOf(fetch('https://127.0.0.1/'))).toBe('unreachable');
  expect(await codeOf(fetch(`http://127.0.0.1:${canaryPort}/`))).toBe('host_not_allowed');
});

test('sends the name in the Host header and dials its checked addresses, the second if the first fails', async () => {
  let host: string | undefined;
  const server = await listen((request, response) => {
    host = request.headers.host;
    response.end();
  });
  const origin = `http://git.internal:${portOf(server)}`;

  await guarded(origin, { resolve: async () => ['127.0.0.2', '127.0.0.1'] })(`${origin}/`);

  expect(host).toBe(`git.internal:${portOf(server)}`);
});

test('verifies the name with TLS and dials its checked address', async () => {
  // openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out certificate.pem
  //   -days 36500 -subj '/CN=git.internal' -addext 'subjectAltName=DNS:git.internal'
  const tls = (name: string) => fileURLToPath(new URL(`../../support/tls/${name}.pem`, import.meta.url));
  const names: unknown[] = [];
  const options = { key: readFileSync(tls('key')), cert: readFileSync(tls('certificate')) };
  const server = createTlsServer(options, (request, response) => {
    names.push((request.socket as TLSSocket).servername, request.headers.host);
    response.end('private');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  servers.push(server);
  const port = portOf(server);
  const allowed = `https://git.internal:${port} https://other.internal:${port}`;
  const resolve = async () => ['127.0.0.1'];

  const fetch = guarded(allowed, { resolve, caFile: tls('certificate') });

  expect(await (await fetch(`https://git.internal:${port}/`)).text()).toBe('private');
  expect(names).toEqual(['git.internal', `git.internal:${port}`]);
  await expect(fetch(`https://other.internal:${port}/`)).rejects.toThrow('ERR_TLS_CERT_ALTNAME_INVALID');
  expect(await codeOf(guarded(allowed, { resolve })(`https://git.internal:${port}/`))).toBe('unreachable');
});

test.each([301, 302, 303, 307, 308])('does not follow a %i to loopback', async (status) => {
  const server = await listen((_, response) =>
    response.writeHead(status, { location: `http://localhost:${canaryPort}/` }).end(),
  );
  const origin = `http://127.0.0.1:${portOf(server)}`;

  // Not even an allowed host is reached through another one.
  expect(await codeOf(guarded(`${origin} http://localhost:${canaryPort}`)(`${origin}/`))).toBe('redirect_refused');
  expect(connections).toBe(0);
});

test('refuses a redirect to a closed port of the same host', async () => {
  const server = await listen((_, response) =>
    response.writeHead(307, { location: `http://127.0.0.1:${canaryPort}/` }).end(),
  );
  const origin = `http://127.0.0.1:${portOf(server)}`;

  expect(await codeOf(guarded(origin)(`${origin}/`))).toBe('host_not_allowed');
  expect(connections).toBe(0);
});

test('refuses a redirect to plain HTTP or another port before it resolves the name again', async () => {
  const asked: string[] = [];
  const resolve = async (name: string) => {
    asked.push(name);
    return asked.length === 1 ? ['127.0.0.1'] : ['93.184.216.34'];
  };
  const server = await listen((_, response) => response.writeHead(302, { location: 'http://git.internal/' }).end());
  const origin = `http://git.internal:${portOf(server)}`;

  expect(await codeOf(guarded(origin, { resolve })(`${origin}/`))).toBe('host_not_allowed');
  expect(asked).toEqual(['git.internal']);
});

test('follows a redirect with the credentials on the same origin, and without them to another origin', async () => {
  const seen: IncomingMessage['headers'][] = [];
  const other = await listen((request, response) => {
    seen.push(request.headers);
    response.end('there');
  });
  const server = await listen((request, response) => {
    seen.push(request.headers);
    const location = request.url === '/a' ? '/b' : `http://127.0.0.1:${portOf(other)}/`;
    response.writeHead(302, { location }).end();
  });
  const [here, there] = [`http://127.0.0.1:${portOf(server)}`, `http://127.0.0.1:${portOf(other)}`];
  const headers = {
    authorization: 'Bearer secret',
    'private-token': 'secret',
    'x-vault-token': 'secret',
    cookie: 'secret',
    accept: 'text/plain',
  };

  const answer = await guarded(`${here} ${there}`)(`${here}/a`, { headers });

  expect(await answer.text()).toBe('there');
  expect(seen[1]).toMatchObject(headers);
  expect(JSON.stringify(seen[2])).not.toContain('secret');
  expect(seen[2]).toMatchObject({ accept: 'text/plain' });
});

test('stops after four redirects, and follows none for a write', async () => {
  const server = await listen((request, response) => {
    const step = Number(request.url?.slice(1));
    response.writeHead(step < 4 ? 302 : 200, { location: `/${step + 1}` }).end();
  });
  const origin = `http://127.0.0.1:${portOf(server)}`;
  const fetch = guarded(origin);

  expect((await fetch(`${origin}/1`)).status).toBe(200);
  expect(await codeOf(fetch(`${origin}/0`))).toBe('redirect_refused');
  expect(await codeOf(fetch(`${origin}/1`, { method: 'POST', body: '{}' }))).toBe('redirect_refused');
  expect((await fetch(`${origin}/1`, { method: 'POST', redirect: 'manual' })).status).toBe(302);
});

test('stops reading an answer beyond the size limit, compressed or not', async () => {
  const server = await listen((request, response) => {
    if (request.url === '/gzip') response.setHeader('content-encoding', 'gzip');
    response.end(request.url === '/gzip' ? gzipSync(Buffer.alloc(1_000_000)) : Buffer.alloc(10_001));
  });
  const origin = `http://127.0.0.1:${portOf(server)}`;

  expect(await codeOf(guarded(origin)(`${origin}/plain`))).toBe('too_large');
  expect(await codeOf(guarded(origin)(`${origin}/gzip`))).toBe('too_large');
});

test('returns a compressed answer as text', async () => {
  const server = await listen((_, response) => response.setHeader('content-encoding', 'gzip').end(gzipSync('{"a":1}')));
  const origin = `http://127.0.0.1:${portOf(server)}`;
  const answer = await guarded(origin)(`${origin}/`);

  expect(await answer.json()).toEqual({ a: 1 });
  expect(answer.headers.get('content-encoding')).toBeNull();
});

test.each([
  ['before its head', () => {}],
  ['in the middle of its body', (response: { write(text: string): void }) => response.write('half')],
] as const)('times out on an answer that stops %s', async (_, act) => {
  const server = await listen((_, response) => act(response));
  const origin = `http://127.0.0.1:${portOf(server)}`;

  expect(await codeOf(guarded(origin, { timeoutMs: 200 })(`${origin}/`))).toBe('timeout');
});

test("an abort by the caller is thrown as the caller's reason", async () => {
  const server = await listen(() => {});
  const origin = `http://127.0.0.1:${portOf(server)}`;
  const init: FetchInit = { signal: AbortSignal.timeout(50) };

  await expect(guarded(origin)(`${origin}/`, init)).rejects.toMatchObject({ name: 'TimeoutError' });
});

test('knows that a refused connection sent nothing, and that a broken one may have', async () => {
  const server = await listen((request) => request.socket.destroy());
  const origin = `http://127.0.0.1:${portOf(server)}`;
  const closed = await listen(() => {});
  const nobody = `http://127.0.0.1:${portOf(closed)}`;
  await new Promise((resolve) => closed.close(resolve));
  const fetch = guarded(`${origin} ${nobody}`);

  await expect(fetch(`${nobody}/`)).rejects.toMatchObject({ code: 'unreachable', unsent: true });
  await expect(fetch(`${origin}/`, { method: 'POST', body: '{}' })).rejects.toMatchObject({
    code: 'unreachable',
    unsent: false,
  });
});
