import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startApi, type TestApi } from '../../support/api.ts';
import type { Client } from '../../support/client.ts';
import { addEverything, addOrg, addProject, addToken, addUser } from '../../support/scenes/tenants.ts';

type View = { id: string; name: string; org_id: string };

let api: TestApi;
let orgId: string;
let client: Client;

beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());
beforeEach(async () => {
  orgId = await addOrg(api.database);
  client = api.as((await addUser(api.database, orgId, 'owner')).session);
});

const names = async (query = '') =>
  (await client.ask<View[]>('GET', `/v1/projects${query}`)).map(({ name }) => name).sort();

describe('a project', () => {
  test('is created, read, renamed and deleted', async () => {
    const made = await client.ask<View>('POST', '/v1/projects', { org_id: orgId, name: '  Shop  ' });
    expect(made).toMatchObject({ name: 'Shop', org_id: orgId });
    expect(await client.ask('PATCH', `/v1/projects/${made.id}`, { name: 'Store' })).toMatchObject({ name: 'Store' });
    expect(await client.ask('GET', `/v1/projects/${made.id}`)).toMatchObject({ id: made.id, name: 'Store' });
    expect(await names()).toEqual(['Store']);
    expect(await client.send('DELETE', `/v1/projects/${made.id}`)).toMatchObject({
      status: 202,
      body: { operation: { kind: 'delete', subject_id: made.id, status: 'succeeded' } },
    });
    expect((await client.send('GET', `/v1/projects/${made.id}`)).status).toBe(404);
    expect((await client.send('DELETE', `/v1/projects/${made.id}`)).status).toBe(404);
    expect(await names()).toEqual([]);
  });

  test('is not deleted while it has an app or an integration, if the caller asks for that', async () => {
    const projectId = await addProject(api.database, orgId);
    const { appId } = await addEverything(api.database, { orgId, projectId });
    const remove = () => client.send('DELETE', `/v1/projects/${projectId}?if_unused=true`);
    const inUse = { status: 409, body: { code: 'project_in_use' } };
    expect(await remove()).toMatchObject(inUse);
    expect((await client.send('DELETE', `/v1/apps/${appId}`)).status).toBe(204);
    expect(await remove()).toMatchObject(inUse);
    await api.database.write((trx) =>
      trx('integrations').where({ project_id: projectId }).update({ status: 'deleted' }),
    );
    expect((await remove()).status).toBe(202);
  });

  test('that is deleted accepts nothing new, with any token', async () => {
    const projectId = await addProject(api.database, orgId);
    const own = api.as((await addToken(api.database, { orgId, projectId })).secret);
    const left = api.as((await addToken(api.database, { orgId })).secret);
    expect((await own.send('DELETE', `/v1/projects/${projectId}`)).status).toBe(202);
    expect((await left.send('POST', `/v1/projects/${projectId}/apps`, { name: 'Late' })).status).toBe(404);
    const wanted = { org_id: orgId, project_id: projectId, name: 'Late', scopes: ['projects:read'] };
    expect((await left.send('POST', '/v1/tokens', wanted)).status).toBe(404);
  });

  test('is listed by organization for a caller with several', async () => {
    const other = await addOrg(api.database, 'Other');
    await addProject(api.database, orgId, 'Here');
    await addProject(api.database, other, 'There');
    const ofBoth = async (query: string) =>
      (await api.admin.ask<View[]>('GET', `/v1/projects${query}`)).map(({ name }) => name);
    expect(await ofBoth(`?org_id=${other}`)).toEqual(['There']);
    expect(await names()).toEqual(['Here']);
    expect(await names(`?org_id=${other}`)).toEqual([]);
  });
});

describe('an organization', () => {
  test('is shown to its members, and not to a token of one of its projects', async () => {
    const projectId = await addProject(api.database, orgId);
    const listed = async (asking: Client) => (await asking.ask<View[]>('GET', '/v1/orgs')).map(({ id }) => id);
    expect(await listed(client)).toEqual([orgId]);
    const ofProject = api.as((await addToken(api.database, { orgId, projectId })).secret);
    expect(await listed(ofProject)).toEqual([]);
    expect((await ofProject.send('GET', `/v1/orgs/${orgId}`)).status).toBe(404);
    expect(await listed(api.admin)).toContain(orgId);
  });
});

describe('incidents', () => {
  test('are listed to their organization, and filtered by open and resolved', async () => {
    const projectId = await addProject(api.database, orgId);
    const { buildId } = await addEverything(api.database, { orgId, projectId });
    const list = (query: string) => client.ask<object[]>('GET', `/v1/incidents${query}`);
    const incident = { org_id: orgId, project_id: projectId, subject_id: buildId, action: 'Look at GitHub', count: 1 };
    expect(await list('')).toMatchObject([{ ...incident, status: 'open', resolved_at: null }]);
    expect(await list('?status=open')).toHaveLength(1);
    expect(await list('?status=resolved')).toEqual([]);
    const now = Date.now();
    await api.database.write((trx) =>
      trx('incidents').where({ subject_id: buildId }).update({ status: 'resolved', resolved_at: now }),
    );
    expect(await list('?status=open')).toEqual([]);
    expect(await list('?status=resolved')).toMatchObject([{ resolved_at: Math.floor(now / 1000) }]);
  });
});
