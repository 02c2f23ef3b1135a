import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { githubAppSecrets } from '../../../db/secrets/github-app-secrets.ts';
import { newId } from '../../../domain/ids.ts';
import { corsOrigin, startApi, type TestApi } from '../../support/api.ts';
import { createBrowser } from '../../support/browser.ts';
import { keyring } from '../../support/hooks.ts';
import { seed } from '../../support/scenes/seed.ts';
import { addEverything, addOrg, addProject, addToken, addUser, type Tenant } from '../../support/scenes/tenants.ts';

type Client = ReturnType<TestApi['as']>;

let api: TestApi;
let tenant: Tenant;
let client: Client;
let at: string;

beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api?.stop());

/** GitHub's ID of the installation in all golden files. */
const installationID = 12_345_678;

beforeEach(async () => {
  const { database } = api;
  const orgId = await addOrg(database);
  tenant = await addEverything(database, { orgId, projectId: await addProject(database, orgId) });
  const { githubAppId, installationId, integrationId: id } = tenant;
  await database.write(async (trx) => {
    const created_at = Date.parse('2026-04-01T10:00:00.789Z');
    await trx('integrations').where({ id }).update({ display_name: 'Acme GitHub Org', created_at });
    const account = { external_id: installationID, account_login: 'acme' };
    await trx('installations').where({ id: installationId }).update(account);
    await trx('github_apps').where({ id: githubAppId }).update({ client_id: 'Iv1.operator' });
    await githubAppSecrets(trx, keyring).put(githubAppId, null, 'client_secret', 'a secret of the operator');
    const ecr = {
      kind: 'ecr',
      display_name: 'ECR — production AWS',
      auth_mode: 'cloud_account',
      cloud_account_id: 'ca_abc123',
      settings: JSON.stringify({ registry: '123456789012.dkr.ecr.us-east-1.amazonaws.com' }),
      created_at: Date.parse('2026-04-02T08:00:00Z'),
    };
    await trx('integrations').where({ id: tenant.registryId }).update(ecr);
  });
  client = api.as((await addToken(database, tenant)).secret);
  at = `/api/integrations/${id}`;
});

const golden = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../fixtures/dialect/${name}.json`, import.meta.url), 'utf8'));

/** Replaces values that differ between runs. */
function settled(body: unknown): unknown {
  const text = JSON.stringify(body)
    .replaceAll(/"(int|op)_[0-9a-z]{26}"/g, '"$1_1"')
    .replaceAll(/ticket=[\w-]+/g, 'ticket=1')
    .replaceAll(/"request_id":"[^"]+"/g, '"request_id":"1"');
  return JSON.parse(text);
}

/** Expects the body to equal the golden file, including the order of its members. */
function expectGolden(body: unknown, name: string): void {
  expect(JSON.stringify(settled(body), undefined, 2)).toBe(JSON.stringify(golden(name), undefined, 2));
}

test('lists integrations as in the documentation', async () => {
  const answer = await client.send('GET', '/api/integrations');
  expect(answer.status).toBe(200);
  expectGolden(answer.body, 'list');
  expect(await client.ask('GET', '/api/integrations?kind=ecr')).toMatchObject({ data: [{ kind: 'ecr' }] });
  expect(await client.ask('GET', '/api/integrations?kind=acr')).toEqual({ data: [] });
});

test('returns one integration', async () => {
  expectGolden(await client.ask('GET', at), 'get');
  expect((await client.send('GET', `/api/integrations/${newId('int')}`)).status).toBe(404);
});

test('an App without an account has no metadata, and an App with several shows the first', async () => {
  const { githubAppId, integrationId, projectId } = tenant;
  const second = await seed(api.database).installation(githubAppId, tenant.installation + 1, {
    account_login: 'second',
  });
  const binding = { integration_id: integrationId, installation_id: second, owner_id: projectId };
  await api.database.write((trx) => trx('bindings').insert({ ...binding, created_at: Date.now() + 1_000 }));
  expectGolden(await client.ask('GET', at), 'get');
  await api.database.write((trx) => trx('bindings').where({ integration_id: integrationId }).delete());
  expect(await client.ask('GET', at)).toMatchObject({ data: { metadata: {} } });
});

test('lets only operators create one for an existing installation', async () => {
  const { githubAppId, projectId } = tenant;
  const number = 87_654_321;
  const installation = await seed(api.database).installation(githubAppId, number, { account_login: 'initech' });
  const body = { kind: 'github', name: 'Initech', metadata: { installationID: number }, projectId };
  expect(await client.send('POST', '/api/integrations', body)).toMatchObject({ status: 403 });
  const made = await api.admin.send<{ data: { createdAt: string } }>('POST', '/api/integrations', body);
  expect(made.status).toBe(201);
  expect(made.body.data.createdAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  expectGolden({ data: { ...made.body.data, createdAt: '2026-01-01T00:00:00Z' } }, 'create');
  expect(await api.admin.send('POST', '/api/integrations', body)).toMatchObject({
    status: 409,
    body: { code: 'integration_exists' },
  });
  await api.database.write((trx) => trx('bindings').where({ installation_id: installation }).delete());
});

const dockerHub = {
  kind: 'dockerhub',
  name: 'Docker Hub — acme',
  credentials: { username: 'acme-bot', password: 'c4nary-of-the-password' },
};

test('creates one from static credentials, and never returns them', async () => {
  const answer = await client.send<{ data: { id: string } }>('POST', '/api/integrations', dockerHub);
  expect(answer.status).toBe(201);
  const createdAt = '2026-04-03T09:00:00Z';
  expectGolden({ data: { ...answer.body.data, createdAt } }, 'dockerhub');
  const { id } = answer.body.data;
  const shown = await client.ask<{ data: object }>('GET', `/api/integrations/${id}`);
  expectGolden({ data: { ...shown.data, createdAt } }, 'dockerhub');
  expect(JSON.stringify([answer.body, shown, await client.ask('GET', '/api/integrations')])).not.toContain('c4nary');
  expect(await client.send('POST', '/api/integrations', dockerHub)).toMatchObject({
    status: 409,
    body: { code: 'integration_exists', integration_id: id },
  });
});

test.each(['PATCH', 'PUT'])('%s replaces the credentials of an integration', async (method) => {
  const { data } = await client.ask<{ data: { id: string } }>('POST', '/api/integrations', dockerHub);
  const path = `/api/integrations/${data.id}`;
  const credentials = { password: 'another-c4nary' };
  const answer = await client.send(method, path, { credentials }, { 'if-match': '"1"' });
  expect(answer).toMatchObject({ status: 200, body: { data: { id: data.id } } });
  expect(JSON.stringify(answer.body)).not.toContain('c4nary');
  expect(await client.send(method, path, { credentials }, { 'if-match': '"1"' })).toMatchObject({ status: 412 });
  expect(await client.send(method, path, { credentials: { secret: 'c4nary' } })).toMatchObject({ status: 400 });
});

test.each([
  [
    'ecr without a cloud account',
    { kind: 'ecr', metadata: { registry: '123456789012.dkr.ecr.us-east-1.amazonaws.com' } },
    400,
    'invalid_request',
  ],
  [
    'ecr with credentials',
    {
      kind: 'ecr',
      metadata: { registry: '123456789012.dkr.ecr.us-east-1.amazonaws.com', cloudAccountID: newId('ca') },
      credentials: { username: 'AWS', password: 'c4nary' },
    },
    422,
    'credentials_not_allowed_for_kind',
  ],
  ['gitlab', { kind: 'gitlab' }, 422, 'provider_not_supported'],
])('rejects %s', async (_, body, status, code) => {
  const answer = await client.send('POST', '/api/integrations', { name: 'New', ...body });
  expect(answer).toMatchObject({ status, body: { code } });
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  expect(JSON.stringify(answer.body)).not.toContain('c4nary');
});

test.each(['PATCH', 'PUT'])('%s renames it and replaces the caller’s metadata, but not GitHub’s', async (method) => {
  const body = { name: 'Acme', metadata: { installationID: 1, githubOrg: 'someone-else', team: 'shop' } };
  const answer = await client.send(method, at, body, { 'if-match': '"1"' });
  expect(answer.status).toBe(200);
  expectGolden(answer.body, 'update');
  expectGolden(await client.ask('GET', at), 'update');
  expect((await client.send(method, at, { name: 'Other' }, { 'if-match': '"1"' })).status).toBe(412);
  const rotated = await client.send(method, at, { credentials: { password: 'c4nary' } });
  expect(rotated).toMatchObject({ status: 422, body: { code: 'provider_not_supported' } });
  expect(JSON.stringify(rotated.body)).not.toContain('c4nary');
});

test.each(['PATCH', 'PUT'])('%s limits metadata as /v1 does', async (method) => {
  const metadata = { notes: 'x'.repeat(4_096) };
  const answer = await client.send(method, at, { metadata });
  expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request', errors: [{ path: 'body.metadata' }] } });
  expectGolden(await client.ask('GET', at), 'get');
});

test('deletes by the same rules as /v1, and returns 404 afterwards', async () => {
  const answer = await client.send('DELETE', at);
  expect(answer.status).toBe(202);
  expectGolden(answer.body, 'delete');
  const row = await api.database.reader('integrations').where({ id: tenant.integrationId }).first();
  expect(row?.status).toBe('deleting');
  expect((await client.send('GET', at)).status).toBe(404);
  expect(await client.ask('GET', '/api/integrations')).toMatchObject({ data: [{ kind: 'ecr' }] });
  expectGolden((await client.send('DELETE', at)).body, 'delete');
  expect(await client.send('PATCH', at, { name: 'x' })).toMatchObject({ status: 409 });
});

test('shows a project its granted integration, and allows no changes', async () => {
  const { orgId, integrationId } = tenant;
  const second = await addProject(api.database, orgId, 'Second');
  const other = api.as((await addToken(api.database, { orgId, projectId: second })).secret);
  await api.database.write(async (trx) => {
    await trx('integrations').where({ id: integrationId }).update({ project_id: null, owner_id: orgId });
    const grant = { integration_id: integrationId, project_id: second, org_id: orgId };
    await trx('grants').insert({ ...grant, created_by: 'system', created_at: 1 });
  });
  const { data } = await other.ask<{ data: object[] }>('GET', '/api/integrations');
  expect(data).toHaveLength(1);
  expectGolden({ data: data[0] }, 'get');
  expect((await other.send('PATCH', at, { name: 'Mine' })).status).toBe(404);
  expect((await other.send('DELETE', at)).status).toBe(404);
});

test('allows requests from an origin that the operator lists', async () => {
  const headers = { origin: corsOrigin, authorization: `Bearer ${(await addToken(api.database, tenant)).secret}` };
  const answer = await fetch(`${api.url}/api/integrations`, { headers });
  expect(answer.headers.get('access-control-allow-origin')).toBe(corsOrigin);
});

describe('installing', () => {
  const install = (query = '', headers: Record<string, string> = {}) =>
    fetch(`${api.url}/api/integrations/github/install${query}`, { headers, redirect: 'manual' });

  test('returns the URL to open if the caller has a Bearer token', async () => {
    const { secret } = await addToken(api.database, tenant);
    const answer = await install('', { authorization: `Bearer ${secret}`, accept: 'application/json' });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toContain('application/json');
    expectGolden(await answer.json(), 'install');
  });

  test('redirects a browser to GitHub with a state, and accepts its callback', async () => {
    const { id: userId, session } = await addUser(api.database, tenant.orgId, 'owner');
    const cookie = `__Host-fairlead_session=${session}`;
    // A link on another site starts nothing before a button is pressed.
    const elsewhere = await install(`?projectId=${tenant.projectId}`, { cookie, referer: 'https://evil.example/' });
    expect(elsewhere.status).toBe(200);
    expect(await elsewhere.text()).toContain(`name="project_id" value="${tenant.projectId}"`);
    const begun = { created_by: `user:${userId}` };
    expect(await api.database.reader('connect_flows').where(begun)).toEqual([]);
    const answer = await install(`?projectId=${tenant.projectId}`, { cookie, referer: `${api.url}/docs` });
    expect(answer.status).toBe(302);
    const where = new URL(answer.headers.get('location') ?? '');
    expect(where.host).toBe('github.com');
    expect(where.pathname).toBe('/apps/fairlead/installations/new');
    const state = where.searchParams.get('state') ?? '';
    expect(state).not.toBe('');
    const flow = await api.database
      .reader('connect_flows')
      .where({ created_by: `user:${userId}` })
      .first();

    const landing = `${api.url}/api/integrations/github/callback?installation_id=4242&setup_action=install&state=${state}`;
    const flowCookie = answer.headers
      .getSetCookie()
      .map((one) => one.split(';')[0])
      .join('; ');
    const landed = () => fetch(landing, { headers: { cookie: `${cookie}; ${flowCookie}` }, redirect: 'manual' });
    const first = await landed();
    expect(first.status).toBe(303);
    expect(await claimOf(flow?.id ?? '')).toBe(4242);
    // The same callback again creates nothing, and another browser is rejected.
    expect((await landed()).status).toBe(303);
    const made = await api.database.reader('integrations').where({ org_id: tenant.orgId, status: 'registered' });
    expect(made).toHaveLength(1);
    expect((await fetch(landing, { redirect: 'manual' })).status).toBe(400);
  });

  test('rejects callers that cannot connect', async () => {
    expect((await install()).status).toBe(401);
    const viewer = await addUser(api.database, tenant.orgId, 'viewer');
    const answer = await install('', {
      cookie: `__Host-fairlead_session=${viewer.session}`,
      accept: 'application/json',
    });
    expect(answer.status).toBe(403);
    expect((await install('?project=x', { accept: 'application/json' })).status).toBe(400);
  });

  test('changes nothing for a callback without a state', async () => {
    const shown = await createBrowser().visit(`${api.url}/api/integrations/github/callback`);
    expect(shown.text).toContain('Thank you');
  });
});

const claimOf = async (id: string) =>
  (await api.database.reader('connect_flows').where({ id }).first())?.claimed_installation;
