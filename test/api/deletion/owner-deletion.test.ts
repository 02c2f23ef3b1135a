import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { deletionActivities } from '../../../activities/deletion/deletion.ts';
import { startApi, type TestApi } from '../../support/api.ts';
import { addEverything, addOrg, addProject, addToken, addUser, type Tenant } from '../../support/scenes/tenants.ts';

type Accepted = { operation: { id: string; status: string } };

let api: TestApi;
let mine: Tenant;
let other: Tenant;
let owner: ReturnType<TestApi['as']>;

beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

beforeEach(async () => {
  const orgId = await addOrg(api.database);
  mine = await addEverything(api.database, { orgId, projectId: await addProject(api.database, orgId) });
  other = await addEverything(api.database, { orgId, projectId: await addProject(api.database, orgId) });
  owner = api.as((await addUser(api.database, orgId, 'owner')).session);
});

const row = (table: 'integrations' | 'apps' | 'pipelines' | 'builds' | 'operations' | 'installations', id: string) =>
  api.database.reader(table).where({ id }).first() as Promise<Record<string, unknown> | undefined>;
const finish = (integrationId: string) =>
  deletionActivities({
    database: api.database,
    broker: { asApp: () => Promise.reject(new Error('not asked')) },
  }).finishDeletion({
    integrationId,
    outcomes: ['revoked'],
  });

describe('deleting a project', () => {
  test('deletes everything in it, and nothing else', async () => {
    const answer = await owner.send<Accepted>('DELETE', `/v1/projects/${mine.projectId}`);
    expect(answer).toMatchObject({ status: 202, body: { operation: { status: 'running', kind: 'delete' } } });
    expect(await row('integrations', mine.integrationId)).toMatchObject({ status: 'deleting', epoch: 1 });
    expect(await row('builds', mine.buildId)).toMatchObject({ status: 'canceled' });
    for (const [table, id] of [
      ['apps', mine.appId],
      ['pipelines', mine.pipelineId],
    ] as const) {
      expect((await row(table, id))?.['deleted_at']).not.toBeNull();
    }
    expect(await row('integrations', other.integrationId)).toMatchObject({ status: 'active' });
    expect(await row('builds', other.buildId)).toMatchObject({ status: 'queued' });
    expect((await owner.send('GET', `/v1/projects/${mine.projectId}`)).status).toBe(404);

    const { id } = answer.body.operation;
    await finish(mine.integrationId);
    await finish(mine.registryId);
    expect(await owner.ask('GET', `/v1/operations/${id}`)).toMatchObject({ operation: { status: 'succeeded' } });
  });

  test('removes the grants of the project', async () => {
    const { orgId, projectId } = mine;
    const grant = { integration_id: other.integrationId, project_id: projectId, org_id: orgId };
    await api.database.write((trx) => trx('grants').insert({ ...grant, created_by: 'system', created_at: 1 }));
    await owner.ask('DELETE', `/v1/projects/${projectId}`);
    expect(await api.database.reader('grants').where(grant)).toEqual([]);
  });

  test('revokes its tokens and no others', async () => {
    const secretOf = async (where: { orgId: string; projectId?: string }) =>
      (await addToken(api.database, where)).secret;
    const gone = [
      await secretOf(mine),
      (await addToken(api.database, { ...mine, narrowedTo: { appId: mine.appId } })).secret,
    ];
    const left = [await secretOf(other), await secretOf({ orgId: mine.orgId })];
    await owner.ask('DELETE', `/v1/projects/${mine.projectId}`);
    for (const secret of gone) expect((await api.as(secret).send('GET', '/v1/integrations')).status).toBe(401);
    for (const secret of left) expect((await api.as(secret).send('GET', '/v1/integrations')).status).toBe(200);
  });

  test('requires the scope to delete its contents', async () => {
    const { secret } = await addToken(api.database, mine, ['projects:write']);
    const answer = await api.as(secret).send('DELETE', `/v1/projects/${mine.projectId}`);
    expect(answer).toMatchObject({ status: 403, body: { code: 'missing_scope' } });
    expect(await row('integrations', mine.integrationId)).toMatchObject({ status: 'active' });
  });
});

describe('deleting an organization', () => {
  test('deletes all its projects and its tokens', async () => {
    const { orgId } = mine;
    const admin = api.as((await addUser(api.database, orgId, 'admin')).session);
    expect((await admin.send('DELETE', `/v1/orgs/${orgId}`)).status).toBe(403);
    const { secret } = await addToken(api.database, mine);
    const answer = await owner.send<Accepted>('DELETE', `/v1/orgs/${orgId}`);
    expect(answer.status).toBe(202);
    for (const { integrationId } of [mine, other]) {
      expect(await row('integrations', integrationId)).toMatchObject({ status: 'deleting' });
    }
    expect((await api.as(secret).send('GET', '/v1/integrations')).status).toBe(401);
    expect((await owner.send('GET', `/v1/orgs/${orgId}`)).status).toBe(404);
    expect((await owner.send('POST', '/v1/projects', { org_id: orgId, name: 'Late' })).status).toBe(404);

    const { id } = answer.body.operation;
    for (const each of [mine.integrationId, mine.registryId, other.registryId]) await finish(each);
    expect(await row('operations', id)).toMatchObject({ status: 'running' });
    await finish(other.integrationId);
    expect(await owner.ask('GET', `/v1/operations/${id}`)).toMatchObject({ operation: { status: 'succeeded' } });
    // Other organizations can now claim its accounts.
    expect((await row('installations', mine.installationId))?.['org_id']).toBeNull();
  });

  test('makes every later request to connect fail', async () => {
    const orgId = await addOrg(api.database);
    const secret = randomBytes(50).toString('hex');
    const importing = {
      org_id: orgId,
      app_id: 77_001,
      private_key: secret,
      webhook_secret: secret,
      client_secret: secret,
    };
    expect((await api.admin.send('POST', '/v1/integrations/github/start', { org_id: orgId })).status).toBe(200);
    await api.admin.ask('DELETE', `/v1/orgs/${orgId}`);
    for (const [path, body] of [
      ['start', { org_id: orgId }],
      ['import', importing],
    ] as const) {
      const answer = await api.admin.send('POST', `/v1/integrations/github/${path}`, body);
      expect(answer).toMatchObject({ status: 404, body: { code: 'not_found' } });
    }
    expect(await api.database.reader('integrations').where({ org_id: orgId })).toEqual([]);
    expect(await api.database.reader('connect_flows').where({ org_id: orgId, finished_at: null })).toEqual([]);
  });

  test('happens immediately if it is empty', async () => {
    const orgId = await addOrg(api.database);
    const answer = await api.admin.send<Accepted>('DELETE', `/v1/orgs/${orgId}`);
    expect(answer).toMatchObject({ status: 202, body: { operation: { status: 'succeeded' } } });
    expect((await api.admin.send('DELETE', `/v1/orgs/${orgId}`)).status).toBe(404);
  });
});
