import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { startApi, type TestApi } from '../../support/api.ts';
import type { Client } from '../../support/client.ts';
import { addOrg, addProject, addToken } from '../../support/scenes/tenants.ts';

let api: TestApi;
let orgId: string;
let client: Client;
let lastKey = 0;

beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());
beforeEach(async () => {
  orgId = await addOrg(api.database);
  client = api.as((await addToken(api.database, { orgId })).secret);
});

const newKey = () => {
  lastKey += 1;
  return { 'idempotency-key': `key-${lastKey}` };
};
const projectsOf = async (org: string) => api.database.reader('projects').where({ org_id: org });

test('A request that is repeated with its key runs once and returns the same response', async () => {
  const key = newKey();
  const first = await client.send('POST', '/v1/projects', { org_id: orgId, name: 'Once' }, key);
  const second = await client.send('POST', '/v1/projects', { org_id: orgId, name: 'Once' }, key);
  expect(first.status).toBe(201);
  expect(second.status).toBe(201);
  expect(second.body).toEqual(first.body);
  expect(second.headers.get('etag')).toBe(first.headers.get('etag'));
  expect(first.headers.get('idempotency-replayed')).toBeNull();
  expect(second.headers.get('idempotency-replayed')).toBe('true');
  expect(await projectsOf(orgId)).toHaveLength(1);
});

test('Twenty concurrent requests create one project', async () => {
  const key = newKey();
  const body = { org_id: orgId, name: 'Only one' };
  const answers = await Promise.all(Array.from({ length: 20 }, () => client.send('POST', '/v1/projects', body, key)));
  expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(201));
  expect(new Set(answers.map((answer) => JSON.stringify(answer.body))).size).toBe(1);
  expect(await projectsOf(orgId)).toHaveLength(1);
});

test('Another key order in the body is the same request, and another value is not', async () => {
  const key = newKey();
  const sent = await client.send('POST', '/v1/projects', { org_id: orgId, name: 'A' }, key);
  const turned = await client.send('POST', '/v1/projects', { name: 'A', org_id: orgId }, key);
  expect(turned.body).toEqual(sent.body);
  const other = await client.send('POST', '/v1/projects', { org_id: orgId, name: 'B' }, key);
  expect(other).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } });
  expect(await projectsOf(orgId)).toHaveLength(1);
});

test('The same key at another address or with another method is another request', async () => {
  const key = newKey();
  const [first, second] = [await addProject(api.database, orgId), await addProject(api.database, orgId)];
  expect((await client.send('PATCH', `/v1/projects/${first}`, { name: 'A' }, key)).status).toBe(200);
  expect((await client.send('PATCH', `/v1/projects/${second}`, { name: 'A' }, key)).status).toBe(422);
  expect((await client.send('DELETE', `/v1/projects/${first}`, undefined, key)).status).toBe(422);
});

test('A key belongs to its caller', async () => {
  const key = newKey();
  const body = { org_id: orgId, name: 'Each their own' };
  const other = api.as((await addToken(api.database, { orgId })).secret);
  const mine = await client.send<{ id: string }>('POST', '/v1/projects', body, key);
  const theirs = await other.send<{ id: string }>('POST', '/v1/projects', body, key);
  expect(theirs.status).toBe(201);
  expect(theirs.body.id).not.toBe(mine.body.id);
});

test('A caller that lost the scope gets no stored response', async () => {
  const key = newKey();
  const { id, secret } = await addToken(api.database, { orgId });
  const body = { org_id: orgId, name: 'Mine' };
  await api.as(secret).send('POST', '/v1/projects', body, key);
  await api.database.write((trx) => trx('tokens').where({ id }).update({ scopes: '["projects:read"]' }));
  expect((await api.as(secret).send('POST', '/v1/projects', body, key)).status).toBe(403);
});

test('A secret is only in the first response, and never in the database', async () => {
  const key = newKey();
  const body = { org_id: orgId, name: 'CI', scopes: ['projects:read'] };
  type Made = { id: string; token?: string; code?: string };
  const first = await client.send<Made>('POST', '/v1/tokens', body, key);
  const second = await client.send<Made>('POST', '/v1/tokens', body, key);
  expect(first.body.token).toMatch(/^flt_/);
  expect(first.body.code).toBeUndefined();
  expect(second.status).toBe(201);
  expect(second.body).toMatchObject({ id: first.body.id, code: 'secret_not_repeated' });
  expect(second.body).not.toHaveProperty('token');
  const tables = ['tokens', 'idempotency_keys', 'audit_events', 'commands', 'sessions'] as const;
  for (const table of tables) {
    expect(JSON.stringify(await api.database.reader(table)), table).not.toContain(first.body.token);
  }
});

test('A session request with a key also stores no secret', async () => {
  await client.send('POST', '/v1/sessions', { code: 'a-code-that-nobody-has' }, newKey());
  expect(await api.database.reader('idempotency_keys').where({ caller_id: 'anonymous' })).toEqual([]);
});

test('A failed request does not keep its key', async () => {
  const key = newKey();
  const path = `/v1/projects/${await addProject(api.database, orgId)}`;
  const refused = await client.send('PATCH', path, { name: 'A' }, { ...key, 'if-match': '"9"' });
  expect(refused.status).toBe(412);
  expect((await client.send('PATCH', path, { name: 'B' }, key)).status).toBe(200);
});

test('A stored response is deleted after a day', async () => {
  const key = newKey();
  await client.send('POST', '/v1/projects', { org_id: orgId, name: 'Old' }, key);
  const dayAgo = Date.now() - 24 * 3_600_000 - 1;
  await api.database.write((trx) => trx('idempotency_keys').update({ created_at: dayAgo }));
  expect((await client.send('POST', '/v1/projects', { org_id: orgId, name: 'New' }, key)).status).toBe(201);
  expect(await projectsOf(orgId)).toHaveLength(2);
});

test('An empty response is repeated as an empty one', async () => {
  const key = newKey();
  const { id } = await client.ask<{ id: string }>(
    'POST',
    `/v1/projects/${await addProject(api.database, orgId)}/apps`,
    {
      name: 'Shop',
    },
  );
  const path = `/v1/apps/${id}`;
  const answers = [
    await client.send('DELETE', path, undefined, key),
    await client.send('DELETE', path, undefined, key),
    await client.send('DELETE', path),
  ];
  expect(answers.map(({ status }) => status)).toEqual([204, 204, 404]);
});

test('A key is visible ASCII of at most 255 characters', async () => {
  for (const bad of ['with a space', 'x'.repeat(256), 'ü']) {
    const answer = await client.send('POST', '/v1/projects', { org_id: orgId, name: 'X' }, { 'idempotency-key': bad });
    expect(answer.status, bad).toBe(400);
  }
  expect(await projectsOf(orgId)).toHaveLength(0);
});
