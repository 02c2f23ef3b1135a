import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { GitHubBroker } from '../../../broker/github/github.ts';
import { allIntegrations } from '../../../db/integrations/integrations.ts';
import { allOperations } from '../../../db/ops/operations.ts';
import { newId } from '../../../domain/ids.ts';
import type { App, GitHubStandIn, Installation } from '../../../stand-ins/github/stand-in.ts';
import { startApi, type TestApi } from '../../support/api.ts';
import type { Client } from '../../support/client.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { startGitHub } from '../../support/github.ts';
import { addOperatorApp, brokerTo } from '../../support/scenes/operator-app.ts';
import { type Seed, seed } from '../../support/scenes/seed.ts';
import { sync } from '../../support/scenes/sync-pass.ts';
import { addProject, addToken } from '../../support/scenes/tenants.ts';

type View = { id: string } & Record<string, unknown>;

let database: TestDatabase;
let github: GitHubStandIn;
let broker: GitHubBroker;
let api: TestApi;
let admin: Client;
let rows: Seed;
let app: { id: string; theirs: App };
let orgId: string;
let projectId: string;

beforeAll(async () => {
  [database, github] = await Promise.all([openTestDatabase(), startGitHub()]);
  broker = brokerTo(database, github);
  api = await startApi({ database, broker });
  admin = api.admin;
  rows = seed(database);
  app = await addOperatorApp(database, github);
});

beforeEach(async () => {
  github.faults.clear();
  ({ orgId, projectId } = await rows.org());
});

afterAll(async () => {
  await api?.stop();
  await github?.close();
});

async function install(repositories = 1): Promise<Installation> {
  const installation = github.addInstallation(app.theirs);
  for (let at = 0; at < repositories; at += 1)
    github.addRepository(installation, { name: `r${at}-${installation.id}` });
  await sync(database, broker, app.id);
  return installation;
}

const bind = (installationId: number, changes: Record<string, unknown> = {}) =>
  admin.send<View>('POST', '/v1/integrations', {
    provider: 'github',
    installation_id: installationId,
    project_id: projectId,
    ...changes,
  });

const anotherProject = () => addProject(database, orgId);

const pendingSyncs = () => database.reader('commands').where({ workflow_id: `sync/${app.id}`, status: 'pending' });

describe('binding an installation', () => {
  test('creates an integration with exactly these members', async () => {
    const installation = await install();
    const { status, body, headers } = await bind(installation.id, { display_name: 'Our GitHub' });
    expect(status).toBe(201);
    expect(headers.get('etag')).toBe('"1"');
    const now = Math.floor(Date.now() / 1000);
    expect(body).toEqual({
      id: expect.stringMatching(/^int_/),
      provider: 'github',
      host_url: 'https://github.com',
      auth_mode: 'github_app',
      status: 'active',
      status_reason: null,
      display_name: 'Our GitHub',
      metadata: { installation_id: installation.id },
      app_id: String(app.theirs.appId),
      app_slug: app.theirs.slug,
      created_by: 'operator',
      created_at: expect.toSatisfy((at: number) => Number.isInteger(at) && now - at < 60),
      updated_at: body['created_at'],
    });
    const [installed] = await admin.ask<View[]>('GET', `/v1/integrations/${body.id}/installations`);
    expect(installed).toMatchObject({
      installation_id: installation.id,
      org_id: orgId,
      account: { login: 'acme', id: 9000, type: 'Organization' },
      repository_selection: 'selected',
      permissions: installation.permissions,
      suspended: false,
    });
    const [audited] = await database.reader('audit_events').where({ target: body.id });
    expect(audited).toMatchObject({ action: 'integration.created', org_id: orgId, project_id: projectId });
  });

  test('twice returns a conflict that names the first integration', async () => {
    const installation = await install();
    const first = await bind(installation.id);
    const second = await bind(installation.id);
    expect(second.status).toBe(409);
    expect(second.body).toMatchObject({ code: 'integration_exists', integration_id: first.body.id });
  });

  test('works for each project of an organization, and for no other organization', async () => {
    const installation = await install();
    await bind(installation.id);
    expect((await bind(installation.id, { project_id: await anotherProject() })).status).toBe(201);
    const other = await rows.org('other');
    const refused = await bind(installation.id, { project_id: other.projectId });
    expect([refused.status, refused.body['code']]).toEqual([409, 'installation_claimed']);
    expect(await database.reader('integrations').where({ project_id: other.projectId })).toEqual([]);
  });

  test('concurrently creates one integration', async () => {
    const installation = await install();
    const answers = await Promise.all(Array.from({ length: 10 }, () => bind(installation.id)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(9);
  });

  test('by two organizations at the same time succeeds for one of them', async () => {
    const installation = await install();
    const other = await rows.org('other');
    const answers = await Promise.all([bind(installation.id), bind(installation.id, { project_id: other.projectId })]);
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
  });

  test('to an unknown installation starts a sync, and the next attempt succeeds', async () => {
    await database.write((trx) =>
      trx('commands')
        .where({ workflow_id: `sync/${app.id}` })
        .update({ status: 'done' }),
    );
    const installation = github.addInstallation(app.theirs);
    const { status, body } = await bind(installation.id);
    expect([status, body['code']]).toEqual([409, 'installation_unknown']);
    expect(await pendingSyncs()).toHaveLength(1);
    await sync(database, broker, app.id);
    expect((await bind(installation.id)).status).toBe(201);
  });

  test('to an uninstalled App is rejected, and a suspended installation is bound as suspended', async () => {
    const gone = await install();
    github.uninstall(gone);
    const suspended = await install();
    github.suspend(suspended);
    await sync(database, broker, app.id);
    expect((await bind(gone.id)).body['code']).toBe('installation_unknown');
    expect((await bind(suspended.id)).body).toMatchObject({ status: 'suspended' });
  });

  test('restores the source of apps that lost it when the App was uninstalled', async () => {
    const before = await install();
    const integration = (await bind(before.id)).body;
    const app1 = await admin.ask<View>('POST', `/v1/projects/${projectId}/apps`, { name: 'one' });
    const repository = [...before.repositoryIds][0];
    await admin.ask('PUT', `/v1/apps/${app1.id}/source`, { repository_id: repository });
    const kept = await admin.ask<View>('POST', `/v1/projects/${projectId}/apps`, { name: 'two' });

    const again = github.addInstallation(app.theirs);
    const theirs = github.state.repositories.get(repository ?? 0);
    if (theirs) theirs.installationId = again.id;
    again.repositoryIds.add(repository ?? 0);
    github.uninstall(before);
    await sync(database, broker, app.id);
    expect((await admin.ask<View>('GET', `/v1/integrations/${integration.id}`))['status']).toBe('disconnected');

    const { body } = await bind(again.id);
    const restored = await admin.send<View>('GET', `/v1/apps/${app1.id}`);
    expect(restored.body['source']).toMatchObject({ integration_id: body.id, branch: 'main' });
    expect(restored.headers.get('etag')).toBe('"3"');
    expect((await admin.ask<View>('GET', `/v1/apps/${kept.id}`))['source']).toBeNull();
    const [audited] = await database.reader('audit_events').where({ target: body.id });
    expect(JSON.parse(audited?.detail ?? '')).toMatchObject({ rebound: 1 });
  });

  test('requires the operator scope', async () => {
    const installation = await install();
    const { secret } = await addToken(database, { orgId });
    const client = api.as(secret);
    const body = { provider: 'github', installation_id: installation.id, project_id: projectId };
    const refused = await client.send<View>('POST', '/v1/integrations', body);
    expect([refused.status, refused.body['code']]).toEqual([403, 'missing_scope']);
    expect((await client.send('GET', '/v1/installations')).status).toBe(403);
  });

  test.each([
    ['another provider', { provider: 'gitlab' }, 422, 'provider_not_supported'],
    ['no installation', { installation_id: undefined }, 422, 'provider_not_supported'],
    ['a missing project', { project_id: newId('prj') }, 404, 'not_found'],
    ['an unknown field', { secret: 'x' }, 400, 'invalid_request'],
    ['a number in quotes', { installation_id: '1' }, 400, 'invalid_request'],
  ])('with %s is rejected', async (_, changes, status, code) => {
    const installation = await install(0);
    const refused = await bind(installation.id, changes);
    expect([refused.status, refused.body['code']]).toEqual([status, code]);
  });
});

describe('integrations', () => {
  test('are listed by kind or provider, for all projects or one', async () => {
    const installation = await install();
    const { body } = await bind(installation.id);
    const { secret } = await addToken(database, { orgId });
    const client = api.as(secret);
    const ids = async (path: string) => (await client.ask<View[]>('GET', path)).map(({ id }) => id);
    expect(await ids('/v1/integrations')).toEqual([body.id]);
    expect(await ids('/v1/integrations?kind=github')).toEqual([body.id]);
    expect(await ids('/v1/integrations?provider=github')).toEqual([body.id]);
    expect(await ids('/v1/integrations?provider=ecr')).toEqual([]);
    expect(await ids('/v1/integrations?provider=ecr&kind=github')).toEqual([]);
    expect(await ids(`/v1/projects/${projectId}/integrations`)).toEqual([body.id]);
    expect(await ids(`/v1/projects/${await anotherProject()}/integrations`)).toEqual([]);
    expect((await client.send('GET', '/v1/integrations?kind=svn')).status).toBe(400);
  });

  test('that were never created are not listed, but can be read by ID', async () => {
    const { body } = await bind((await install()).id);
    const never = await database.write((trx) =>
      allIntegrations(trx).insert({
        orgId,
        projectId,
        kind: 'github',
        hostUrl: 'https://github.com',
        authMode: 'github_app',
        status: 'expired',
        displayName: 'GitHub',
        githubAppId: app.id,
        createdBy: 'system',
        identityKey: 'flow:flow_1',
        metadata: {},
      }),
    );
    const { secret } = await addToken(database, { orgId });
    const client = api.as(secret);
    for (const path of ['/v1/integrations', `/v1/projects/${projectId}/integrations`]) {
      expect((await client.ask<View[]>('GET', path)).map(({ id }) => id)).toEqual([body.id]);
    }
    expect(await client.ask<View>('GET', `/v1/integrations/${never?.id}`)).toMatchObject({ status: 'expired' });
  });

  test('of another project return 404', async () => {
    const { body } = await bind((await install()).id);
    const { secret } = await addToken(database, { orgId, projectId: await anotherProject() });
    const client = api.as(secret);
    for (const path of ['', '/installations', '/repositories']) {
      const foreign = await client.send<View>('GET', `/v1/integrations/${body.id}${path}`);
      const absent = await client.send<View>('GET', `/v1/integrations/${newId('int')}${path}`);
      expect(foreign.status).toBe(404);
      expect({ ...foreign.body, request_id: '' }).toEqual({ ...absent.body, request_id: '' });
    }
    expect((await client.send('GET', `/v1/projects/${projectId}/integrations`)).status).toBe(404);
  });
});

describe('a sync', () => {
  test('returns an operation that the caller can wait for', async () => {
    const { body } = await bind((await install()).id);
    const path = `/v1/integrations/${body.id}/installations`;
    const { status, body: accepted } = await admin.send<{ operation: View }>('POST', path);
    expect(status).toBe(202);
    expect(accepted.operation).toMatchObject({ kind: 'sync', status: 'running', workflow_id: `sync/${app.id}` });
    const again = admin.send<{ operation: View }>('POST', `${path}?wait=10`);
    const requests = () =>
      database.reader('audit_events').where({ target: body.id, action: 'installations.sync_requested' });
    await expect.poll(async () => (await requests()).length).toBe(2);
    await sync(database, broker, app.id);
    // Both requests share the waiting operation.
    const { id } = accepted.operation;
    expect(await again).toMatchObject({ status: 200, body: { operation: { id, status: 'succeeded' } } });
    const first = await allOperations(database.reader).find(accepted.operation.id);
    expect(first?.status).toBe('succeeded');
    const [audited] = await requests();
    expect(audited).toMatchObject({ org_id: orgId });
  });

  test('of the whole App is for operators', async () => {
    const { status, body } = await admin.send<{ operation: View }>('POST', '/v1/installations');
    expect([status, body.operation['subject_id']]).toEqual([202, app.id]);
  });

  test('shows operators the unclaimed installations', async () => {
    const [free, taken] = [await install(), await install()];
    await bind(taken.id);
    const unbound = await admin.ask<View[]>('GET', '/v1/installations?unbound=true&limit=200');
    const numbers = unbound.map((one) => one['installation_id']);
    expect(numbers).toContain(free.id);
    expect(numbers).not.toContain(taken.id);
  });
});

describe('repositories', () => {
  test('are all listed, page by page, and can be searched by a part of their name', async () => {
    const installation = await install(250);
    const { body } = await bind(installation.id);
    const found: View[] = [];
    let pages = 0;
    for (let path: string | undefined = `/v1/integrations/${body.id}/repositories?limit=100`; path; pages += 1) {
      const page: { body: View[]; headers: Headers } = await admin.send<View[]>('GET', path);
      found.push(...page.body);
      path = /<([^>]+)>; rel="next"/.exec(page.headers.get('link') ?? '')?.[1];
    }
    expect(pages).toBe(3);
    expect(new Set(found.map((one) => one['provider_id']))).toEqual(installation.repositoryIds);
    expect(found[0]).toEqual({
      id: expect.stringMatching(/^repo_/),
      provider_id: expect.any(Number),
      name: expect.any(String),
      full_name: `acme/${found[0]?.['name']}`,
      url: expect.stringContaining('/acme/'),
      visibility: 'private',
      default_branch: 'main',
      archived: false,
    });
    const search = async (q: string) =>
      (await admin.send<View[]>('GET', `/v1/integrations/${body.id}/repositories?q=${encodeURIComponent(q)}`)).body
        .length;
    expect(await search('R249-')).toBe(1);
    expect(await search('%')).toBe(0);
    expect(await search('_')).toBe(0);
  });

  test('of other installations and removed repositories are not listed', async () => {
    const installation = await install(2);
    await install(1);
    const { body } = await bind(installation.id);
    const list = async () => (await admin.send<View[]>('GET', `/v1/integrations/${body.id}/repositories`)).body;
    expect(await list()).toHaveLength(2);
    const [taken] = [...installation.repositoryIds].map((id) => github.state.repositories.get(id));
    if (taken) github.removeRepository(taken);
    await sync(database, broker, app.id);
    expect(await list()).toHaveLength(1);
  });

  test('list their current branches, page by page or by prefix', async () => {
    const installation = github.addInstallation(app.theirs);
    const branches = Object.fromEntries(Array.from({ length: 150 }, (_, at) => [`feature/${at}`, 'a'.repeat(40)]));
    github.addRepository(installation, { branches });
    await sync(database, broker, app.id);
    const { body } = await bind(installation.id);
    const [repository] = (await admin.send<View[]>('GET', `/v1/integrations/${body.id}/repositories`)).body;
    const path = `/v1/integrations/${body.id}/repositories/${repository?.id}/branches`;
    const first = await admin.send<View[]>('GET', path);
    expect(first.body).toHaveLength(100);
    const next = /<([^>]+)>; rel="next"/.exec(first.headers.get('link') ?? '')?.[1] ?? '';
    const second = await admin.send<View[]>('GET', next);
    expect(second.body).toHaveLength(51);
    expect(second.headers.get('link')).toBeNull();
    const some = await admin.send<View[]>('GET', `${path}?q=feature/14`);
    expect(some.body).toHaveLength(11);
    expect(some.body[0]).toEqual({ name: 'feature/14', sha: 'a'.repeat(40) });

    github.faults.add({ path: /\/branches$/, kind: 'status', status: 503, times: 1 });
    const failed = await admin.send<View>('GET', path);
    expect(failed).toMatchObject({ status: 502, body: { code: 'provider_unavailable', provider_code: 'unavailable' } });
    github.suspend(installation);
    await sync(database, broker, app.id);
    const suspended = await admin.send<View>('GET', path);
    expect(suspended).toMatchObject({ status: 409, body: { code: 'integration_unusable', state: 'suspended' } });
  });

  test('of another integration return 404 for their branches', async () => {
    const [one, two] = [await install(), await install()];
    const mine = (await bind(one.id)).body;
    const other = (await bind(two.id)).body;
    const [foreign] = (await admin.send<View[]>('GET', `/v1/integrations/${other.id}/repositories`)).body;
    const path = `/v1/integrations/${mine.id}/repositories/${foreign?.id}/branches`;
    expect((await admin.send('GET', path)).status).toBe(404);
  });
});
