import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { createGitHubConnector } from '../../../broker/connect/github-connect.ts';
import { parseAllowedHosts } from '../../../domain/connect/allowed-hosts.ts';
import { createGuardedFetch, type Fetch } from '../../../providers/egress/guarded-fetch.ts';
import type { StandInOptions } from '../../../stand-ins/github/stand-in.ts';
import { startApi, type TestApi } from '../../support/api.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { startGitHub } from '../../support/github.ts';
import { keyring } from '../../support/hooks.ts';
import { seed } from '../../support/scenes/seed.ts';

let database: TestDatabase;
let api: TestApi;
let projectId: string;
/** The only hosts that requests can reach, regardless of the request body. */
let allowed: { allowedHosts: ReturnType<typeof parseAllowedHosts> };

beforeAll(async () => {
  database = await openTestDatabase();
  allowed = { allowedHosts: [] };
  // Every name resolves to a private address.
  const resolve = async () => ['10.0.0.7'];
  const fetch: Fetch = (...request) =>
    createGuardedFetch({ ...allowed, timeoutMs: 5_000, maxBytes: 100_000, resolve })(...request);
  api = await startApi({
    database,
    connector: createGitHubConnector({ database, keyring, fetch }),
    connect: {
      defaultHost: { hostUrl: 'https://github.com', apiUrl: 'https://api.github.com' },
      get allowedHosts() {
        return allowed.allowedHosts;
      },
      redirectOrigins: [],
      webhookUrlFor: (id) => `https://fairlead.example.com/v1/webhooks/github/${id}`,
    },
  });
});
beforeEach(async () => {
  ({ projectId } = await seed(database).org());
});
afterAll(() => api?.stop());

async function server(options: StandInOptions) {
  const standIn = await startGitHub(options);
  onTestFinished(() => standIn.close());
  allowed.allowedHosts = parseAllowedHosts(standIn.url);
  return standIn;
}

/** Starts a server that returns the same response to every request. */
async function host(status: number, headers: Record<string, string>, body: string): Promise<string> {
  const one = createServer((_, response) => response.writeHead(status, headers).end(body)).listen(0, '127.0.0.1');
  await new Promise((resolve) => one.once('listening', resolve));
  onTestFinished(() => void one.close());
  const url = `http://127.0.0.1:${(one.address() as AddressInfo).port}`;
  allowed.allowedHosts = parseAllowedHosts(url);
  return url;
}

type Refusal = { code: string; detail: string; version?: string; least_version?: string; create_url?: string };
const start = (body: Record<string, unknown>) =>
  api.admin.send<Refusal>('POST', '/v1/integrations/github/start', { project_id: projectId, ...body });
const flows = async () => (await database.reader('connect_flows').where({ project_id: projectId })).length;

test.each(['2.22.1', '3.9.0', '3.16.12'])('rejects an Enterprise Server %s because of its version', async (version) => {
  const github = await server({ flavour: 'ghes', enterpriseVersion: version });
  const refused = await start({ host_url: github.url });
  expect(refused).toMatchObject({
    status: 422,
    body: { code: 'host_not_supported', version, least_version: '3.17' },
  });
  expect(refused.body.detail).toContain(`Enterprise Server ${version}. Update it to 3.17 or newer`);
  expect(await flows()).toBe(0);

  const brought = await api.admin.send<Refusal>('POST', '/v1/integrations/github/import', {
    project_id: projectId,
    host_url: github.url,
    app_id: 1,
    private_key: 'x'.repeat(200),
    webhook_secret: 'a secret of the webhook',
    client_secret: 'a secret of the client',
  });
  expect(brought).toMatchObject({ status: 422, body: { code: 'host_not_supported', version } });
  // Only `/meta` was requested, without credentials.
  expect(new Set(github.ledger.map(({ path }) => path))).toEqual(new Set(['/meta']));
  expect(github.ledger.every(({ authorization }) => authorization === undefined)).toBe(true);
});

test.each(['3.17.0', '3.20.3', '4.0.0'])('accepts an Enterprise Server %s', async (version) => {
  const github = await server({ flavour: 'ghes', enterpriseVersion: version });
  expect(await start({ host_url: github.url })).toMatchObject({ status: 200 });
  expect(await database.reader('connect_flows').where({ project_id: projectId }).first()).toMatchObject({
    host_url: github.url,
    api_url: `${github.url}/api/v3`,
  });
  expect(github.violations).toEqual([]);
});

test('reads the version of a private Enterprise Server from a header, and accepts a server without the header', async () => {
  const body = JSON.stringify({ message: 'Must authenticate to access this API.' });
  const old = await host(401, { 'x-github-enterprise-version': 'enterprise-server@3.14.2' }, body);
  expect(await start({ host_url: old })).toMatchObject({ status: 422, body: { version: '3.14.2' } });
  const silent = await host(401, {}, body);
  expect(await start({ host_url: silent })).toMatchObject({ status: 200 });
});

test.each([
  ['a page of another service', 200, '<html>welcome</html>'],
  ['a host without this page', 404, 'not here'],
  ['JSON of another service', 200, '{"hello":"world"}'],
  ['a redirect', 302, ''],
])('rejects %s as not being GitHub', async (_, status, body) => {
  const url = await host(status, { location: 'http://169.254.169.254/' }, body);
  const refused = await start({ host_url: url });
  expect(refused).toMatchObject({ status: 422, body: { code: 'host_not_supported' } });
  expect(await flows()).toBe(0);
});

test('reports an unreachable or failing host differently from an old version', async () => {
  const failing = await host(503, {}, '');
  expect(await start({ host_url: failing })).toMatchObject({ status: 502, body: { code: 'provider_unavailable' } });
  allowed.allowedHosts = parseAllowedHosts('http://127.0.0.1:9');
  expect(await start({ host_url: 'http://127.0.0.1:9' })).toMatchObject({ status: 502 });
});

test('rejects an Enterprise Server whose API URL looks like that of github.com', async () => {
  const url = await host(200, { 'x-github-enterprise-version': '3.18.0' }, '{}');
  const refused = await start({ host_url: url, api_url: `${url}/proxied` });
  expect(refused).toMatchObject({ status: 422, body: { code: 'host_not_supported' } });
  expect(refused.body.detail).toContain('/api/v3');
});

test('sends no request to a host that the operator has not allowed', async () => {
  const github = await server({ flavour: 'ghes' });
  allowed.allowedHosts = [];
  for (const hostUrl of [github.url, 'https://127.0.0.1', 'https://git.internal']) {
    expect(await start({ host_url: hostUrl })).toMatchObject({ status: 422, body: { code: 'host_not_allowed' } });
  }
  expect(github.ledger).toEqual([]);
});

test('rejects a public name that resolves to a private address, and does not connect', async () => {
  const refused = await start({ host_url: 'https://git.acme.dev' });
  expect(refused).toMatchObject({ status: 422, body: { code: 'host_not_allowed' } });
  expect(refused.body.detail).toContain('FAIRLEAD_ALLOWED_HOSTS');
});

test('recognizes github.com and ghe.com by name, without a request', async () => {
  allowed.allowedHosts = [];
  for (const hostUrl of ['https://github.com', 'https://acme.ghe.com']) {
    const { status, body } = await start({ host_url: hostUrl });
    expect([status, body.create_url]).toEqual([200, expect.any(String)]);
  }
  expect(await database.reader('connect_flows').where({ project_id: projectId }).pluck('api_url')).toEqual([
    'https://api.github.com',
    'https://api.acme.ghe.com',
  ]);
});

test('stops reading when the first response of a host is too long', async () => {
  const long = JSON.stringify({ verifiable_password_authentication: true, more: 'x'.repeat(70_000) });
  const refused = await start({ host_url: await host(200, { 'content-type': 'application/json' }, long) });
  expect(refused).toMatchObject({ status: 422, body: { code: 'host_not_supported' } });
  expect(refused.body.detail).toContain('65536');
});
