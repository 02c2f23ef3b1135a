import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { IntegrationRow } from '../../../db/store/tables.ts';
import { newId } from '../../../domain/ids.ts';
import { startApi, type TestApi } from '../../support/api.ts';
import type { Client } from '../../support/client.ts';
import { addGithubApp } from '../../support/hooks.ts';
import { type Seed, seed } from '../../support/scenes/seed.ts';
import { addToken, addUser } from '../../support/scenes/tenants.ts';
import { world } from '../../support/scenes/world.ts';

type View = { id: string } & Record<string, unknown>;

let api: TestApi;
let admin: Client;
let rows: Seed;
let githubAppId: string;
let orgId: string;
let projectId: string;

beforeAll(async () => {
  api = await startApi();
  admin = api.admin;
  rows = seed(api.database);
  githubAppId = (await addGithubApp(api.database, { appId: 1, secret: 'secret of the test' })).id;
});

beforeEach(async () => {
  ({ orgId, projectId } = await rows.org());
});

afterAll(() => api?.stop());

/** Creates an integration of the project with one repository. */
const connected = (integration: Partial<IntegrationRow> = {}) =>
  world(api.database, {
    owner: { orgId, projectId },
    githubAppId,
    repository: { default_branch: 'trunk' },
    integration,
  });

const makeApp = (body: Record<string, unknown> = {}) =>
  admin.ask<View>('POST', `/v1/projects/${projectId}/apps`, { name: 'shop', ...body });

const setSource = (app: View, body: Record<string, unknown>, headers: Record<string, string> = {}) =>
  admin.send<View>('PUT', `/v1/apps/${app.id}/source`, body, headers);

describe('the branch of a source', () => {
  test('is changed by a developer, who can change neither the repository nor the integration', async () => {
    const { integrationId, repositoryId } = await connected();
    const app = await makeApp({ auto_deploy: false });
    const developer = api.as((await addUser(api.database, orgId, 'developer')).session);
    const change = (body: object, headers = {}) =>
      developer.send<View>('PATCH', `/v1/apps/${app.id}/source`, body, headers);
    expect(await change({ branch: 'next' })).toMatchObject({ status: 409, body: { code: 'source_missing' } });
    const source = { integration_id: integrationId, repository_id: repositoryId };
    await setSource(app, { ...source, branch: 'main' });

    const changed = await change({ branch: 'next' });
    const after = { auto_deploy: false, source: { ...source, branch: 'next' } };
    expect(changed).toMatchObject({ status: 200, body: after });
    expect(await developer.ask('GET', `/v1/apps/${app.id}`)).toEqual(changed.body);
    expect((await change({ ...source, branch: 'other' })).status).toBe(400);
    expect((await change({ branch: 'other' }, { 'if-match': '"1"' })).status).toBe(412);
    const put = await developer.send('PUT', `/v1/apps/${app.id}/source`, { ...source, branch: 'other' });
    expect(put.status).toBe(403);
    const viewer = api.as((await addUser(api.database, orgId, 'viewer')).session);
    expect((await viewer.send('PATCH', `/v1/apps/${app.id}/source`, { branch: 'other' })).status).toBe(403);
    expect(await developer.ask('GET', `/v1/apps/${app.id}`)).toEqual(changed.body);
  });
});

describe('an app', () => {
  test('is created, read, changed and deleted, with one audit row for each change', async () => {
    const app = await makeApp();
    expect(app).toEqual({
      id: expect.stringMatching(/^app_/),
      org_id: orgId,
      project_id: projectId,
      name: 'shop',
      auto_deploy: true,
      source: null,
      source_status: null,
      registry: null,
      registry_status: null,
      created_at: expect.any(Number),
      updated_at: app['created_at'],
    });
    expect(await admin.ask('GET', `/v1/apps/${app.id}`)).toEqual(app);
    const changed = await admin.send<View>('PATCH', `/v1/apps/${app.id}`, { auto_deploy: false });
    expect(changed.body).toMatchObject({ name: 'shop', auto_deploy: false });
    expect(changed.headers.get('etag')).toBe('"2"');
    expect((await admin.send('DELETE', `/v1/apps/${app.id}`)).status).toBe(204);
    expect((await admin.send('GET', `/v1/apps/${app.id}`)).status).toBe(404);
    expect(await admin.ask('GET', `/v1/projects/${projectId}/apps`)).toEqual([]);
    const audited = await api.database.reader('audit_events').where({ target: app.id }).orderBy('id');
    expect(audited.map(({ action }) => action)).toEqual(['app.created', 'app.updated', 'app.deleted']);
  });

  test('returns 412 when it has changed since it was read', async () => {
    const app = await makeApp();
    const change = (revision: number, name: string) =>
      admin.send<View>('PATCH', `/v1/apps/${app.id}`, { name }, { 'if-match': `"${revision}"` });
    expect((await change(1, 'first')).status).toBe(200);
    expect(await change(1, 'second')).toMatchObject({ status: 412, body: { code: 'precondition_failed' } });
    expect((await setSource(app, {}, { 'if-match': '"1"' })).status).toBe(400);
    expect((await admin.send('DELETE', `/v1/apps/${app.id}`, undefined, { 'if-match': '"1"' })).status).toBe(412);
    expect((await admin.ask<View>('GET', `/v1/apps/${app.id}`))['name']).toBe('first');
  });

  test('deletes its pipelines when it is deleted', async () => {
    const app = await makeApp();
    const pipeline = { name: 'deploy', workflow_file: 'deploy.yml' };
    const { id } = await admin.ask<View>('POST', `/v1/apps/${app.id}/pipelines`, pipeline);
    await admin.send('DELETE', `/v1/apps/${app.id}`);
    expect((await admin.send('GET', `/v1/pipelines/${id}`)).status).toBe(404);
  });

  test('is listed with the other apps of its project, newest first, page by page', async () => {
    for (const name of ['a', 'b', 'c']) await makeApp({ name });
    const first = await admin.send<View[]>('GET', `/v1/projects/${projectId}/apps?limit=2`);
    const next = /<([^>]+)>; rel="next"/.exec(first.headers.get('link') ?? '')?.[1] ?? '';
    const second = await admin.send<View[]>('GET', next);
    expect([...first.body, ...second.body].map(({ name }) => name)).toEqual(['c', 'b', 'a']);
    expect(second.headers.get('link')).toBeNull();
  });

  test('returns the same 404 for another project’s app, and requires the write scope for changes', async () => {
    const app = await makeApp();
    const other = await rows.org('other');
    const stranger = api.as((await addToken(api.database, other)).secret);
    for (const [method, body] of [['GET'], ['PATCH', { name: 'x' }], ['DELETE']] as const) {
      expect((await stranger.send(method, `/v1/apps/${app.id}`, body)).status).toBe(404);
    }
    const reader = api.as((await addToken(api.database, { orgId, projectId }, ['projects:read'])).secret);
    expect((await reader.send('GET', `/v1/apps/${app.id}`)).status).toBe(200);
    expect((await reader.send('PATCH', `/v1/apps/${app.id}`, { name: 'x' })).status).toBe(403);
  });
});

describe('the source of an app', () => {
  test('accepts a repository ID of Fairlead or of GitHub, and uses the default branch if none is given', async () => {
    const { repository, repositoryId, integrationId } = await connected();
    const app = await makeApp();
    const byNumber = await setSource(app, { repository_id: repository });
    expect(byNumber.body['source']).toEqual({
      integration_id: integrationId,
      repository_id: repositoryId,
      branch: 'trunk',
    });
    expect(byNumber.headers.get('etag')).toBe('"2"');
    const byId = await setSource(app, { repository_id: repositoryId, branch: 'next', auto_deploy: false });
    expect(byId.body).toMatchObject({ auto_deploy: false, source: { repository_id: repositoryId, branch: 'next' } });
    const audited = await api.database.reader('audit_events').where({ target: app.id, action: 'app.source_set' });
    expect(audited).toHaveLength(2);
  });

  test('does not need an integration ID if only one integration can be used', async () => {
    const { repository, integrationId } = await connected();
    await connected({ status: 'disconnected' });
    const { body } = await setSource(await makeApp(), { repository_id: repository });
    expect(body['source']).toMatchObject({ integration_id: integrationId });
  });

  test('returns 409 with the integrations if two can be used', async () => {
    const [one, two] = [await connected(), await connected()];
    const app = await makeApp();
    const refused = await setSource(app, { repository_id: one.repository });
    expect(refused).toMatchObject({
      status: 409,
      body: {
        code: 'ambiguous_integration',
        integrations: [{ id: two.integrationId }, { id: one.integrationId }],
      },
    });
    const named = await setSource(app, { integration_id: two.integrationId, repository_id: two.repository });
    expect(named.status).toBe(200);
  });

  test('must be a repository of the given integration', async () => {
    const [one, two] = [await connected(), await connected()];
    const app = await makeApp();
    const through = (integration_id: string, repository_id: unknown) =>
      setSource(app, { integration_id, repository_id });
    for (const repository of [two.repository, two.repositoryId, newId('repo'), 999_999]) {
      const refused = await through(one.integrationId, repository);
      expect(refused).toMatchObject({ status: 422, body: { code: 'repository_not_reachable' } });
    }
  });

  test('cannot be reached after the App is uninstalled from its account', async () => {
    const { integrationId, installationId, repository } = await connected();
    await api.database.write((trx) => trx('installations').where({ id: installationId }).update({ removed_at: 1 }));
    const refused = await setSource(await makeApp(), { integration_id: integrationId, repository_id: repository });
    expect(refused).toMatchObject({ status: 422, body: { code: 'repository_not_reachable' } });
    expect(await admin.ask('GET', `/v1/integrations/${integrationId}/repositories`)).toEqual([]);
  });

  test('returns the same error for another project’s integration and one that does not exist', async () => {
    const mine = await connected();
    const other = await rows.org('other');
    const foreign = await rows.integration({ ...other, githubAppId, installationId: mine.installationId });
    const app = await makeApp();
    for (const integration_id of [foreign, newId('int')]) {
      const refused = await setSource(app, { integration_id, repository_id: mine.repository });
      expect(refused).toMatchObject({ status: 422, body: { code: 'no_integration' } });
    }
    expect((await setSource(app, { repository_id: 'repo_1' })).status).toBe(400);
  });

  test('can be shared by several apps of a project', async () => {
    const { repository } = await connected();
    for (const name of ['one', 'two']) {
      expect((await setSource(await makeApp({ name }), { repository_id: repository })).status).toBe(200);
    }
  });

  test('is missing while no integration is connected', async () => {
    const refused = await setSource(await makeApp(), { repository_id: 1 });
    expect(refused).toMatchObject({ status: 422, body: { code: 'no_integration' } });
  });
});
