import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { clearWait, noteWait } from '../../../db/ops/operation-waits.ts';
import { allOperations, type Operation } from '../../../db/ops/operations.ts';
import { beat } from '../../../db/ops/relays.ts';
import { newId } from '../../../domain/ids.ts';
import { startApi, type TestApi } from '../../support/api.ts';
import type { Client } from '../../support/client.ts';
import { addEverything, addOrg, addProject, addToken, addUser, type Tenant } from '../../support/scenes/tenants.ts';

type Wait = { code: string; detail: string; since: number };
type Answer = {
  operation: {
    id: string;
    status: string;
    status_url: string;
    error: { code: string } | null;
    waits_for: Wait | null;
  };
};

let api: TestApi;
let tenant: Tenant;
let client: Client;

beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());
beforeEach(async () => {
  const orgId = await addOrg(api.database);
  tenant = await addEverything(api.database, { orgId, projectId: await addProject(api.database, orgId) });
  client = api.as((await addToken(api.database, tenant)).secret);
});

function begin(changes: Partial<Operation> = {}): Promise<Operation> {
  const { orgId, projectId } = tenant;
  const subjectId = newId('gha');
  const work = { orgId, projectId, kind: 'sync', subjectId, workflowId: `sync/${subjectId}`, ...changes };
  return api.database.write((trx) => allOperations(trx).insert(work));
}

async function end({ id }: { id: string }, error?: { code: string; detail: string }): Promise<void> {
  const now = Date.now();
  const ended = error
    ? { status: 'failed' as const, error_code: error.code, error_detail: error.detail }
    : { status: 'succeeded' as const };
  await api.database.write((trx) =>
    trx('operations')
      .where({ id })
      .update({ ...ended, finished_at: now, updated_at: now }),
  );
}

const get = (id: string, query = '', headers = {}) =>
  client.send<Answer>('GET', `/v1/operations/${id}${query}`, undefined, headers);

test('Long work returns the address of its operation, which shows the progress', async () => {
  const path = `/v1/integrations/${tenant.integrationId}/installations`;
  const asked = await client.send<Answer>('POST', path);
  expect(asked.status).toBe(202);
  const { id, status, status_url } = asked.body.operation;
  expect(status).toBe('running');
  expect(status_url).toMatch(new RegExp(`/v1/operations/${id}$`));
  await end({ id }, { code: 'installation_gone', detail: 'The App was uninstalled' });
  const { body } = await get(id);
  expect(body.operation).toMatchObject({ status: 'failed', error: { code: 'installation_gone' } });
});

test.each([
  ['?wait=10', {}],
  ['', { prefer: 'respond-async, wait=10' }],
])('A caller that waits (%s %o) gets the response when the work ends', async (query, headers) => {
  const operation = await begin();
  const waiting = get(operation.id, query, headers);
  const before = await Promise.race([waiting, new Promise((resolve) => setTimeout(resolve, 600, 'still waiting'))]);
  expect(before).toBe('still waiting');
  await end(operation);
  const started = performance.now();
  const answer = await waiting;
  expect(answer).toMatchObject({ status: 200, body: { operation: { status: 'succeeded' } } });
  expect(performance.now() - started).toBeLessThan(3_000);
});

test('A mutation with a wait returns 200 when its work ends', async () => {
  const path = `/v1/integrations/${tenant.integrationId}/installations`;
  await end({ id: tenant.operationId });
  const waiting = client.send<Answer>('POST', `${path}?wait=10`);
  const row = () => api.database.reader('operations').where({ kind: 'sync', subject_id: tenant.githubAppId });
  const running = async () => (await row()).find(({ id }) => id !== tenant.operationId);
  await expect.poll(running, { timeout: 5_000 }).toBeTruthy();
  await end({ id: (await running())?.id ?? '' });
  expect(await waiting).toMatchObject({ status: 200, body: { operation: { status: 'succeeded' } } });
});

test('A wait ends after the requested time, while the work continues', async () => {
  const operation = await begin();
  const answer = await get(operation.id, '?wait=1');
  expect(answer).toMatchObject({ status: 200, body: { operation: { status: 'running' } } });
});

test('Operators see the operations of the instance', async () => {
  const operation = await begin({ orgId: null, projectId: null });
  expect((await get(operation.id)).status).toBe(404);
  expect((await api.admin.send('GET', `/v1/operations/${operation.id}`)).status).toBe(200);
  const person = await addUser(api.database, tenant.orgId, 'owner');
  const asPerson = () => api.as(person.session).send('GET', `/v1/operations/${operation.id}`);
  expect((await asPerson()).status).toBe(404);
  await api.database.write((trx) => trx('users').where({ id: person.id }).update({ ops: true }));
  expect((await asPerson()).status).toBe(200);
});

describe('waits_for', () => {
  const relay = (temporalReachable: boolean) =>
    api.database.write((trx) => beat(trx, { id: 'relay-of-this-test', temporalReachable }));
  const waitOf = async (id: string) => (await get(id)).body.operation.waits_for;

  beforeEach(() => relay(true));

  test('says that no worker is running', async () => {
    const { id } = await begin();
    await api.database.write((trx) => trx('relays').delete());
    expect(await waitOf(id)).toMatchObject({ code: 'no_worker', since: expect.any(Number) });
  });

  test('says that Temporal cannot be reached', async () => {
    const { id } = await begin();
    await relay(false);
    expect(await waitOf(id)).toMatchObject({ code: 'temporal_away' });
  });

  test('says that the work has not begun', async () => {
    const operation = await begin();
    expect(await waitOf(operation.id)).toMatchObject({ code: 'queued' });
    await api.database.write((trx) => allOperations(trx).takeUp(operation));
    expect(await waitOf(operation.id)).toBeNull();
  });

  test('says why the last attempt failed and since when attempts fail, until one succeeds', async () => {
    const { id, workflowId } = await begin();
    const note = (code: string) =>
      api.database.write((trx) => noteWait(trx, workflowId, { code, detail: `It is ${code}` }));
    await note('network');
    await api.database.write((trx) => trx('operations').where({ id }).update({ waiting_since: 60_000 }));
    await note('unavailable');
    expect(await waitOf(id)).toEqual({ code: 'unavailable', detail: 'It is unavailable', since: 60 });
    await api.database.write((trx) => clearWait(trx, workflowId));
    expect(await waitOf(id)).not.toMatchObject({ code: 'unavailable' });
    await note('unavailable');
    await end({ id });
    expect(await waitOf(id)).toBeNull();
  });

  test('names the builds that a deletion waits for, and the integration that the deletion of a project waits for', async () => {
    await api.database.write((trx) => trx('builds').where({ id: tenant.buildId }).update({ status: 'running' }));
    const admin = api.as((await addUser(api.database, tenant.orgId, 'owner')).session);
    const { operation } = await admin.ask<Answer>('DELETE', `/v1/integrations/${tenant.integrationId}`);
    await api.database.write((trx) => trx('commands').update({ status: 'done' }));
    expect(await waitOf(operation.id)).toMatchObject({ code: 'builds', detail: '1 build must end first.' });
    const project = await admin.ask<Answer>('DELETE', `/v1/projects/${tenant.projectId}`);
    const asAdmin = await api.admin.ask<Answer>('GET', `/v1/operations/${project.operation.id}`);
    expect(asAdmin.operation.waits_for).toMatchObject({
      code: 'integrations',
      detail: expect.stringContaining(`such as ${tenant.integrationId}`),
    });
  });
});
