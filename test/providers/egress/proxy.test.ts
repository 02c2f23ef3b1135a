import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseAllowedHosts } from '../../../domain/connect/allowed-hosts.ts';
import { createAws } from '../../../providers/clouds/aws/aws.ts';
import { createGuardedFetch } from '../../../providers/egress/guarded-fetch.ts';
import { usesProxy } from '../../../providers/egress/proxy.ts';
import { registryFetch } from '../../../providers/registries/wire.ts';
import { startAws } from '../../../stand-ins/aws/stand-in.ts';
import { startConnectProxy } from '../../support/programs/connect-proxy.ts';
import { freePort } from '../../support/programs/processes.ts';

const pem = (name: string) => fileURLToPath(new URL(`../../support/tls/${name}.pem`, import.meta.url));
const publicAddress = '93.184.216.34';
const caFile = pem('certificate');

let server: Server;
let port: number;
let proxy: Awaited<ReturnType<typeof startConnectProxy>>;
/** The name in TLS and the `Host` of each request. */
let seen: unknown[];
const stops: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  seen = [];
  server = createServer({ key: readFileSync(pem('key')), cert: readFileSync(caFile) }, (request, response) => {
    seen.push((request.socket as TLSSocket).servername, request.headers.host);
    response.end('through');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ({ port } = server.address() as AddressInfo);
  proxy = await startConnectProxy({ [`${publicAddress}:443`]: port, 'git.internal:443': port });
  stops.push(proxy.stop);
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  server.close().closeAllConnections();
});

type Changes = { url?: string; noProxy?: string; allowed?: string; addresses?: string[] };

function through({ url = proxy.url, noProxy = '', allowed = '', addresses = [publicAddress] }: Changes = {}) {
  return createGuardedFetch({
    allowedHosts: parseAllowedHosts(allowed),
    timeoutMs: 3_000,
    maxBytes: 1_000,
    caFile,
    resolve: async () => addresses,
    proxy: { url, noProxy },
  });
}

const messageOf = (sent: Promise<unknown>) => sent.then(() => 'no error', (error: Error) => `${error.message} ${error.stack} ${JSON.stringify(error)}`); // biome-ignore format: one line

describe('the guarded fetch', () => {
  test('asks the proxy for the address that it has checked, and keeps the name in TLS and in Host', async () => {
    expect(await (await through()('https://git.internal/x')).text()).toBe('through');
    expect(proxy.asked).toEqual([`${publicAddress}:443`]);
    expect(seen).toEqual(['git.internal', 'git.internal']);
  });

  test.each([
    ['a private address', ['10.0.0.8']],
    ['the metadata address', ['169.254.169.254']],
    ['loopback', ['127.0.0.1']],
    ['a public and a private address', [publicAddress, '10.0.0.8']],
  ])('never asks the proxy for a name with %s', async (_, addresses) => {
    await expect(through({ addresses })('https://git.internal/')).rejects.toMatchObject({ code: 'host_not_allowed' });
    for (const host of ['169.254.169.254', '10.0.0.8', '[::ffff:10.0.0.8]', '[fd00:ec2::254]']) {
      await expect(through()(`https://${host}/`)).rejects.toMatchObject({ code: 'host_not_allowed' });
    }
    expect(proxy.asked).toEqual([]);
  });

  test('asks for the name of a host that the operator has allowed, without DNS of its own', async () => {
    const fetch = through({ allowed: 'git.internal', addresses: [] });
    expect(await (await fetch('https://git.internal/')).text()).toBe('through');
    expect(proxy.asked).toEqual(['git.internal:443']);
  });

  test('tries the next address if the proxy cannot reach one', async () => {
    expect((await through({ addresses: ['93.184.216.35', publicAddress] })('https://git.internal/')).status).toBe(200);
    expect(proxy.asked).toEqual(['93.184.216.35:443', `${publicAddress}:443`]);
  });

  test('does not trust an unknown certificate behind the proxy', async () => {
    const fetch = createGuardedFetch({
      allowedHosts: [],
      timeoutMs: 3_000,
      maxBytes: 1_000,
      resolve: async () => [publicAddress],
      proxy: { url: proxy.url, noProxy: '' },
    });
    await expect(fetch('https://git.internal/')).rejects.toMatchObject({ code: 'unreachable' });
    expect(seen).toEqual([]);
  });

  test('connects directly to what NO_PROXY names', async () => {
    const fetch = through({
      noProxy: `git.internal:${port}`,
      allowed: `https://git.internal:${port}`,
      addresses: ['127.0.0.1'],
    });
    expect(await (await fetch(`https://git.internal:${port}/`)).text()).toBe('through');
    expect(proxy.asked).toEqual([]);
  });

  test('reports a dead proxy by the name of the setting, without its address and credentials', async () => {
    const dead = await freePort();
    const message = await messageOf(through({ url: `http://user:hunter2@127.0.0.1:${dead}` })('https://git.internal/'));
    expect(message).toContain('Could not connect to the proxy of HTTPS_PROXY (ECONNREFUSED)');
    expect(message).not.toMatch(/hunter2|user:|aHVudGVy|127\.0\.0\.1:\d/);
  });

  test('sends the credentials of the URL, and reports wrong ones without showing them', async () => {
    const guarded = await startConnectProxy({ [`${publicAddress}:443`]: port }, 'user:p@ss');
    stops.push(guarded.stop);
    const withUser = (user: string) => through({ url: guarded.url.replace('://', `://${user}@`) });
    expect((await withUser('user:p%40ss')('https://git.internal/')).status).toBe(200);
    const message = await messageOf(withUser('user:wr0ng')('https://git.internal/'));
    expect(message).toContain('the proxy of HTTPS_PROXY does not accept the credentials in HTTPS_PROXY (407)');
    expect(message).not.toContain('wr0ng');
  });

  test('reports a refusal of the proxy with its status', async () => {
    const message = await messageOf(through({ addresses: ['93.184.216.35'] })('https://git.internal/'));
    expect(message).toContain('the proxy of HTTPS_PROXY refused the connection (502)');
  });
});

test('the fetch of registries uses the proxy', async () => {
  const settings = { url: proxy.url, noProxy: '' };
  const fetches = registryFetch({ allowedHosts: [], caFile, resolve: async () => [publicAddress], proxy: settings });
  expect((await fetches()('https://git.internal/v2/')).status).toBe(200);
  expect(proxy.asked).toEqual([`${publicAddress}:443`]);
});

test('the client of AWS uses the proxy, and no other way if it is dead', async () => {
  const aws = await startAws({ cert: readFileSync(caFile, 'utf8'), key: readFileSync(pem('key'), 'utf8') });
  stops.push(aws.stop);
  const identity = aws.user();
  const standIn = new URL(String(aws.endpoints.sts));
  const tunnel = await startConnectProxy({ 'git.internal:443': Number(standIn.port) }, 'user:hunter2');
  stops.push(tunnel.stop);
  const by = (url: string) =>
    createAws({
      endpoints: { sts: 'https://git.internal' },
      ambient: async () => identity,
      caFile,
      timeoutMs: 3_000,
      proxy: { url, noProxy: '' },
    });
  expect(await by(tunnel.url.replace('://', '://user:hunter2@')).ownIdentity()).toMatchObject({ arn: identity.arn });
  expect(tunnel.asked).toEqual(['git.internal:443']);
  const message = await messageOf(by(`http://user:hunter2@127.0.0.1:${await freePort()}`).ownIdentity());
  expect(message).not.toContain('no error');
  expect(message).not.toContain('hunter2');
  expect(aws.ledger).toHaveLength(1);
});

test.each([
  ['', 'api.github.com', true],
  ['*', 'api.github.com', false],
  ['github.com', 'api.github.com', false],
  ['.github.com, other.example', 'api.github.com', false],
  ['*.GitHub.com', 'api.github.com', false],
  ['hub.com', 'api.github.com', true],
  ['github.com:8443', 'api.github.com', true],
  ['github.com:443', 'api.github.com', false],
  ['10.0.0.0/8', '10.1.2.3', false],
  ['10.0.0.0/8', '11.1.2.3', true],
  ['10.0.0.0/99', '10.1.2.3', true],
  ['fd00::/8', 'fd00::1', false],
  ['[fd00::1]:443', 'fd00::1', false],
  ['', 'localhost', false],
  ['', '127.0.0.2', false],
  ['', '::1', false],
])('with NO_PROXY "%s", %s uses the proxy: %s', (noProxy, host, expected) => {
  expect(usesProxy({ url: 'http://proxy', noProxy }, { host, port: 443 })).toBe(expected);
});
