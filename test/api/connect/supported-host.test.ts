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
/** The only hosts that may be reached, whatever a body says. */
let allowed: { allowedHosts: ReturnType<typeof parseAllowedHosts> };

beforeAll(async () => {
  database = await openTestDatabase();
  allowed = { allowedHosts: [] };
  // Every name leads inside.
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

/** Something that answers every request so. */
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

test.each(['2.22.1', '3.9.0', '3.16.12'])('an Enterprise Server %s is refused by its version', async (version) => {
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
  // Only what it is was asked, and with nobody's credentials.
  expect(new Set(github.ledger.map(({ path }) => path))).toEqual(new Set(['/meta']));
  expect(github.ledger.every(({ authorization }) => authorization === undefined)).toBe(true);
});

test.each(['3.17.0', '3.20.3', '4.0.0'])('an Enterprise Server %s is taken', async (version) => {
  const github = await server({ flavour: 'ghes', enterpriseVersion: version });
  expect(await start({ host_url: github.url })).toMatchObject({ status: 200 });
  expect(await database.reader('connect_flows').where({ project_id: projectId }).first()).toMatchObject({
    host_url: github.url,
    api_url: `${github.url}/api/v3`,
  });
  expect(github.violations).toEqual([]);
});

test('an Enterprise Server that wants a sign-in first says its version by a header, or is taken as it is', async () => {
  const body = JSON.stringify({ message: 'Must authenticate to access this API.' });
  const old = await host(401, { 'x-github-enterprise-version': 'enterprise-server@3.14.2' }, body);
  expect(await start({ host_url: old })).toMatchObject({ status: 422, body: { version: '3.14.2' } });
  const silent = await host(401, {}, body);
  expect(await start({ host_url: silent })).toMatchObject({ status: 200 });
});

test.each([
  ['a page of something else', 200, '<html>welcome</html>'],
  ['something that has no such page', 404, 'not here'],
  ['JSON of something else', 200, '{"hello":"world"}'],
  ['a redirect', 302, ''],
])('%s is no GitHub', async (_, status, body) => {
  const url = await host(status, { location: 'http://169.254.169.254/' }, body);
  const refused = await start({ host_url: url });
  expect(refused).toMatchObject({ status: 422, body: { code: 'host_not_supported' } });
  expect(await flows()).toBe(0);
});

test('a host that is away, or fails, is told apart from one that is too old', async () => {
  const failing = await host(503, {}, '');
  expect(await start({ host_url: failing })).toMatchObject({ status: 502, body: { code: 'provider_unavailable' } });
  allowed.allowedHosts = parseAllowedHosts('http://127.0.0.1:9');
  expect(await start({ host_url: 'http://127.0.0.1:9' })).toMatchObject({ status: 502 });
});

test('an Enterprise Server whose API is named as if it were a github.com is refused', async () => {
  const url = await host(200, { 'x-github-enterprise-version': '3.18.0' }, '{}');
  const refused = await start({ host_url: url, api_url: `${url}/proxied` });
  expect(refused).toMatchObject({ status: 422, body: { code: 'host_not_supported' } });
  expect(refused.body.detail).toContain('/api/v3');
});

test('a host that the operator has not opened is not asked at all', async () => {
  const github = await server({ flavour: 'ghes' });
  allowed.allowedHosts = [];
  for (const hostUrl of [github.url, 'https://127.0.0.1', 'https://git.internal']) {
    expect(await start({ host_url: hostUrl })).toMatchObject({ status: 422, body: { code: 'host_not_allowed' } });
  }
  expect(github.ledger).toEqual([]);
});

test('a public name that leads inside is refused where it is asked, and not connected to', async () => {
  const refused = await start({ host_url: 'https://git.acme.dev' });
  expect(refused).toMatchObject({ status: 422, body: { code: 'host_not_allowed' } });
  expect(refused.body.detail).toContain('FAIRLEAD_ALLOWED_HOSTS');
});

test('github.com and a tenant of ghe.com are known by their names, and not asked', async () => {
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

test('a host that answers the first question with more than a GitHub would is read no further', async () => {
  const long = JSON.stringify({ verifiable_password_authentication: true, more: 'x'.repeat(70_000) });
  const refused = await start({ host_url: await host(200, { 'content-type': 'application/json' }, long) });
  expect(refused).toMatchObject({ status: 422, body: { code: 'host_not_supported' } });
  expect(refused.body.detail).toContain('65536');
});
