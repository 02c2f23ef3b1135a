import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { adminToken, corsOrigin, headSha, startApi, type TestApi } from '../../support/api.ts';
import { openTestDatabase } from '../../support/database.ts';
import { addEverything, addOrg, addProject } from '../../support/scenes/tenants.ts';

let api: TestApi;

beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

function post(path: string, body: string | Buffer, headers: Record<string, string> = {}) {
  const all = { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json', ...headers };
  return fetch(api.url + path, { method: 'POST', headers: all, body });
}

/** A body with a field that accepts any keys and texts. */
const pipeline = (inputs: string) => `{"name":"deploy","workflow_file":"deploy.yml","inputs":${inputs}}`;

describe('a body is rejected', () => {
  const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
  const unfit: [string, string | Buffer][] = [
    ['nested a hundred thousand levels deep', nested(100_000)],
    ['nested too deep below a field', `{"name":${nested(40)}}`],
    ['in broken UTF-8', Buffer.from([...Buffer.from('{"name":"'), 0xff, ...Buffer.from('"}')])],
    ['in UTF-16', Buffer.from('{"name":"a"}', 'utf16le')],
    ['empty', ''],
  ];
  test.each(unfit)('%s', async (_, body) => {
    const response = await post('/v1/orgs', body);
    const { code, detail, errors } = (await response.json()) as Record<string, unknown>;
    expect({ status: response.status, code }).toEqual({ status: 400, code: 'invalid_request' });
    // This happens before schema validation.
    expect(detail).toMatch(/^The body (is nested deeper|is not valid JSON)/);
    expect(errors).toMatchObject([{ path: 'body' }]);
  });

  test.each([
    ['with a NUL, which Postgres cannot store', '{"name":"a\\u0000b"}', 'body.name', 'U+0000'],
    ['with half of a surrogate pair, which UTF-8 cannot encode', '{"name":"a\\ud800"}', 'body.name', 'U+D800'],
    ['with half of a surrogate pair in a key', '{"name":"a","b\\udfff":1}', 'body', 'U+DFFF'],
    ['with a NUL in a key', '{"name":"a","b\\u0000":1}', 'body', 'U+0000'],
    ['with half of a surrogate pair after a whole one', '{"name":["😀\\udc00"]}', 'body.name.0', 'U+DC00'],
  ])('%s', async (_, body, path, character) => {
    const response = await post('/v1/orgs', body);
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({
      code: 'characters_not_allowed',
      errors: [{ path, message: `must not contain ${character}` }],
    });
  });

  test('with a NUL in any text field', async () => {
    const orgId = await addOrg(api.database);
    const { appId } = await addEverything(api.database, { orgId, projectId: await addProject(api.database, orgId) });
    const path = `/v1/apps/${appId}/pipelines`;
    expect((await post(path, pipeline('{"region":"e\\u0000u"}'))).status).toBe(422);
    expect((await post(path, pipeline('{"region":"eu"}'))).status).toBe(201);
  });
});

describe('a query is rejected', () => {
  test.each(['/v1/audit?action=%00', '/v1/me?limit=1', '/healthz?x=1', '/v1/orgs?limit=1&limit=2', '/v1/orgs?limit=0'])(
    '%s',
    async (path) => {
      const answer = await api.admin.send('GET', path);
      expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    },
  );
});

describe('an address has one spelling', () => {
  test.each(['/V1/orgs', '/v1/Orgs', '/v1/orgs/', '//v1/orgs', '/v1/%6Frgs'])('so %s returns 404', async (path) => {
    expect((await api.admin.send('GET', path)).status).toBe(404);
  });

  test('so another spelling cannot bypass the origin check of webhooks', async () => {
    const response = await fetch(`${api.url}/v1/Webhooks/github`, { method: 'POST', headers: { origin: corsOrigin } });
    expect(response.status).toBe(404);
  });
});

test('The audit log ignores an X-Forwarded-For address that the client wrote', async () => {
  const behindProxy = await startApi({ trustProxy: true });
  try {
    const headers = { 'x-forwarded-for': '203.0.113.9, 198.51.100.7' };
    const { body } = await behindProxy.admin.send<{ id: string }>('POST', '/v1/orgs', { name: 'Proxied' }, headers);
    const row = await behindProxy.database.reader('audit_events').where({ target: body.id }).first();
    expect(row?.ip).toBe('198.51.100.7');
  } finally {
    await behindProxy.stop();
  }
  const { body } = await api.admin.send<{ id: string }>(
    'POST',
    '/v1/orgs',
    { name: 'Direct' },
    { 'x-forwarded-for': '203.0.113.9' },
  );
  const row = await api.database.reader('audit_events').where({ target: body.id }).first();
  expect(row?.ip).toContain('127.0.0.1');
});

describe('an unavailable database', () => {
  test('returns 503 with Retry-After, also when the disk is full', async () => {
    const database = await openTestDatabase();
    const write = () => Promise.reject(Object.assign(new Error('the disk is full'), { code: 'SQLITE_FULL' }));
    const full = await startApi({ database: { ...database, write } });
    const answer = await full.admin.send('POST', '/v1/orgs', { name: 'New' });
    expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable' } });
    expect(answer.headers.get('retry-after')).toBe('5');
    expect(JSON.stringify(answer.body)).not.toContain('full');
    await full.stop();
  });

  test('makes the service not ready', async () => {
    const lost = await startApi();
    await lost.database.close();
    expect((await fetch(`${lost.url}/readyz`)).status).toBe(503);
    await lost.stop().catch(() => {});
  });
});

test('A repeated request is answered from its Idempotency-Key even if the provider is unreachable', async () => {
  let away = false;
  const never = () => Promise.reject(new Error('not asked for here'));
  const branchHead = async () => (away ? never() : headSha);
  const asking = await startApi({ broker: { branches: never, inspectWorkflowFile: never, liesOn: never, branchHead } });
  try {
    const orgId = await addOrg(asking.database);
    const projectId = await addProject(asking.database, orgId);
    const { pipelineId } = await addEverything(asking.database, { orgId, projectId });
    const trigger = (key: string) =>
      asking.admin.send('POST', `/v1/pipelines/${pipelineId}/builds`, {}, { 'idempotency-key': key });
    const first = await trigger('once');
    expect(first.status).toBe(201);
    away = true;
    expect(await trigger('once')).toMatchObject({ status: 201, body: first.body });
    expect((await trigger('another')).status).toBe(502);
  } finally {
    await asking.stop();
  }
});
