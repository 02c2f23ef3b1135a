import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRateLimiter } from '../../../api/http/rate-limit.ts';
import { openApiDocument } from '../../../api/openapi.ts';
import { githubAppsIn } from '../../../db/github/github-apps.ts';
import { githubAppSecrets } from '../../../db/secrets/github-app-secrets.ts';
import { startApi, type TestApi } from '../../support/api.ts';
import { keyring } from '../../support/hooks.ts';
import { addOrg, addProject, addUser } from '../../support/scenes/tenants.ts';

type Document = {
  paths: Record<string, Record<string, { responses: Record<string, { headers?: Record<string, { $ref: string }> }> }>>;
  components: { headers: Record<string, { description: string; required?: boolean }> };
};

let api: TestApi;
let document: Document;
let orgId: string;
let projectId: string;

beforeAll(async () => {
  api = await startApi();
  document = openApiDocument(api.endpoints) as Document;
  orgId = await addOrg(api.database);
  projectId = await addProject(api.database, orgId);
  await addProject(api.database, orgId, 'Second');
});
afterAll(() => api?.stop());

/** Returns the documented headers of a response, and those that the response has. */
function headersOf(method: string, path: string, { status, headers }: { status: number; headers: Headers }) {
  const documented = Object.keys(document.paths[path]?.[method]?.responses[status]?.headers ?? {});
  const known = Object.keys(document.components.headers);
  const sent = known.filter((name) => headers.has(name));
  return { documented, sent };
}

test('documents the `ETag` that a resource has, and no other', async () => {
  const created = await api.admin.send<{ id: string }>('POST', '/v1/orgs', { name: 'New' });
  expect(headersOf('post', '/v1/orgs', created)).toEqual({ documented: ['ETag'], sent: ['ETag'] });

  const read = await api.admin.send('GET', `/v1/orgs/${created.body.id}`);
  expect(headersOf('get', '/v1/orgs/{org}', read)).toEqual({ documented: ['ETag'], sent: ['ETag'] });

  const me = await api.admin.send('GET', '/v1/me');
  expect(headersOf('get', '/v1/me', me)).toEqual({ documented: [], sent: [] });
});

test('documents the `Link` that a page has, unless it is the last one', async () => {
  const first = await api.admin.send('GET', '/v1/projects?limit=1');
  expect(headersOf('get', '/v1/projects', first)).toEqual({ documented: ['Link'], sent: ['Link'] });

  const only = await api.admin.send('GET', '/v1/projects?limit=200');
  expect(headersOf('get', '/v1/projects', only)).toEqual({ documented: ['Link'], sent: [] });
  expect(document.components.headers['Link']?.required).toBeUndefined();
});

test('documents the `Location` of a redirect', async () => {
  await api.database.write(async (trx) => {
    const where = { hostUrl: 'https://github.com', apiUrl: 'https://api.github.com' };
    const names = { slug: 'fairlead', name: 'Fairlead', clientId: 'Iv1.operator' };
    const app = await githubAppsIn(trx).upsert({ orgId: null, appId: 7, ...where, ...names });
    await githubAppSecrets(trx, keyring).put(app.id, null, 'client_secret', 'the client secret of the operator');
  });
  const { session } = await addUser(api.database, orgId, 'admin');
  const path = '/v1/integrations/github/install';
  const answer = await fetch(`${api.url}${path}?project_id=${projectId}`, {
    redirect: 'manual',
    headers: { cookie: `__Host-fairlead_session=${session}`, referer: api.url },
  });
  expect(answer.status).toBe(302);
  expect(headersOf('get', path, answer)).toEqual({ documented: ['Location'], sent: ['Location'] });
});

test('documents the `Retry-After` of a rate limit', async () => {
  const limits = { callerPerMinute: 0, publicPerMinute: 1, failuresPerMinute: 0 };
  const limited = await startApi({ limiter: createRateLimiter(limits, new Registry()) });
  await fetch(`${limited.url}/openapi.json`);
  const answer = await fetch(`${limited.url}/openapi.json`);
  await limited.stop();
  expect(answer.status).toBe(429);
  expect(headersOf('get', '/openapi.json', answer)).toEqual({ documented: ['Retry-After'], sent: ['Retry-After'] });
});

test('describes each header once, and refers to it', () => {
  for (const [name, { description }] of Object.entries(document.components.headers)) {
    expect(description, name).toBeTruthy();
  }
  for (const operation of Object.values(document.paths).flatMap((item) => Object.values(item))) {
    for (const { headers = {} } of Object.values(operation.responses)) {
      for (const [name, { $ref }] of Object.entries(headers)) expect($ref).toBe(`#/components/headers/${name}`);
    }
  }
});
