import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { beat } from '../../../db/ops/relays.ts';
import { adminToken, corsOrigin, startApi, type TestApi } from '../../support/api.ts';
import type { Client } from '../../support/client.ts';
import { addOrg, addProject, addToken } from '../../support/scenes/tenants.ts';

let api: TestApi;
let client: Client;
let orgId: string;

beforeAll(async () => {
  api = await startApi();
  orgId = await addOrg(api.database);
  client = api.as((await addToken(api.database, { orgId })).secret);
});
afterAll(() => api.stop());

const authorization = `Bearer ${adminToken}`;
const json = { authorization, 'content-type': 'application/json' };
const postProject = (body: string | Buffer | ReadableStream, headers: Record<string, string> = json) =>
  fetch(`${api.url}/v1/projects`, { method: 'POST', headers, body, duplex: 'half' } as RequestInit);

async function problemOf(response: Response) {
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  return (await response.json()) as Record<string, unknown>;
}

describe('an error response', () => {
  test('is an RFC 9457 problem with the ID of its request', async () => {
    const response = await postProject(JSON.stringify({ org_id: orgId, name: '', more: 1 }));
    const problem = await problemOf(response);
    expect(problem).toMatchObject({
      type: 'urn:fairlead:problem:invalid_request',
      status: 400,
      code: 'invalid_request',
      request_id: response.headers.get('x-request-id'),
    });
    const paths = (problem['errors'] as { path: string }[]).map(({ path }) => path);
    expect(paths).toContain('body.name');
  });

  test('does not repeat the request’s content', async () => {
    const response = await postProject(JSON.stringify({ org_id: 'flt_secret_in_the_wrong_field', name: 'x' }));
    expect(response.status).toBe(400);
    expect(await response.text()).not.toContain('flt_secret');
  });

  test('has the `WWW-Authenticate: Bearer` header if the token is missing', async () => {
    const response = await fetch(`${api.url}/v1/projects`);
    expect(response.headers.get('www-authenticate')).toBe('Bearer');
    expect(await problemOf(response)).toMatchObject({ status: 401, code: 'unauthenticated' });
  });

  test.each([
    [adminToken, 'Send the token as `Authorization: Bearer <token>`.'],
    ['Bearer ', 'Send the token as `Authorization: Bearer <token>`.'],
    [
      `Basic ${Buffer.from(`x:${adminToken}`).toString('base64')}`,
      'Send the token as `Authorization: Bearer <token>`.',
    ],
    ['Bearer flt_unknown', 'The token is unknown, revoked or expired. Send a valid one.'],
  ])('says how to send a token, or that it is not valid', async (header, detail) => {
    const response = await fetch(`${api.url}/v1/projects`, { headers: { authorization: header } });
    expect(await problemOf(response)).toMatchObject({ status: 401, code: 'unauthenticated', detail });
  });

  test.each(['/v1', '/v1/nothing', '/v2/projects', '/v1/projects/', '/v1/projects/%2e%2e', '/v1/%ff'])(
    'returns 404 for the address %s',
    async (path) => {
      const response = await fetch(api.url + path, { headers: { authorization } });
      expect(await problemOf(response)).toMatchObject({ status: 404, code: 'not_found' });
    },
  );

  test('returns 405 and the allowed methods for another method', async () => {
    for (const method of ['DELETE', 'PUT', 'PROPFIND']) {
      const response = await fetch(`${api.url}/v1/projects`, { method, headers: { authorization } });
      expect(await problemOf(response)).toMatchObject({ status: 405, code: 'method_not_allowed' });
      expect(response.headers.get('allow')).toContain('POST');
    }
  });

  test('returns the same 404 for a malformed ID and for an absent one', async () => {
    for (const id of ['prj_1', 'app_01h455vb4pex5vsknk084sn02q', "prj_' or 1=1 --", 'x'.repeat(3000)]) {
      const response = await fetch(`${api.url}/v1/projects/${encodeURIComponent(id)}`, { headers: { authorization } });
      expect(await problemOf(response)).toMatchObject({ status: 404 });
    }
  });

  test('of an internal error reveals no details', async () => {
    const broken = await startApi({
      broker: {
        branches: () => Promise.reject(new Error('the inside of it')),
        branchHead: () => Promise.reject(new Error('the inside of it')),
        liesOn: () => Promise.reject(new Error('the inside of it')),
        inspectWorkflowFile: () => Promise.reject(new Error('the inside of it')),
      },
      extra: () => [
        {
          method: 'get',
          path: '/v1/fails',
          operationId: 'fails',
          tag: 'service',
          summary: 'Fails',
          access: 'public',
          success: { status: 200 },
          read: () => Promise.reject(new Error('the inside of it')),
        },
      ],
    });
    const response = await fetch(`${broken.url}/v1/fails`);
    const text = await response.text();
    await broken.stop();
    expect(response.status).toBe(500);
    expect(JSON.parse(text)).toMatchObject({ code: 'internal', status: 500 });
    expect(text).not.toContain('inside');
  });
});

describe('a request', () => {
  test('keeps a valid request ID and gets one otherwise', async () => {
    const idOf = async (given: string) =>
      (await fetch(`${api.url}/healthz`, { headers: { 'x-request-id': given } })).headers.get('x-request-id');
    expect(await idOf('my-request.0001')).toBe('my-request.0001');
    for (const bad of ['short', 'x'.repeat(65), 'with a space', '{"a":1}<script>']) {
      expect(await idOf(bad)).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  test('is never cached', async () => {
    for (const path of ['/healthz', '/v1/projects', '/v1/nothing', '/sign-in', '/openapi.json']) {
      const response = await fetch(api.url + path);
      expect(response.headers.get('cache-control'), path).toBe('no-store');
      expect(response.headers.get('x-content-type-options'), path).toBe('nosniff');
    }
  });

  test('with HEAD gets the response of GET without a body', async () => {
    for (const path of ['/healthz', '/v1/orgs', `/v1/orgs/${orgId}`]) {
      const [head, get] = await Promise.all(
        ['HEAD', 'GET'].map((method) => fetch(api.url + path, { method, headers: { authorization } })),
      );
      expect(head?.status, path).toBe(200);
      expect(head?.headers.get('etag'), path).toBe(get?.headers.get('etag'));
      expect(head?.headers.get('content-type'), path).toBe(get?.headers.get('content-type'));
      expect(await head?.text()).toBe('');
    }
    expect((await fetch(`${api.url}/v1/orgs`, { method: 'HEAD' })).status).toBe(401);
  });
});

describe('a body', () => {
  const body = () => JSON.stringify({ org_id: orgId, name: 'From a body' });

  test('is rejected if it is not valid JSON', async () => {
    for (const text of ['', '{', '{"a":}', 'null', '[]', '"text"', '1']) {
      expect(await problemOf(await postProject(text)), text).toMatchObject({ status: 400, code: 'invalid_request' });
    }
  });

  test('is rejected without the JSON content type', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'json']) {
      const response = await postProject(body(), { authorization, 'content-type': type });
      expect(await problemOf(response), type).toMatchObject({ status: 415, code: 'unsupported_media_type' });
    }
    const charset = { authorization, 'content-type': 'application/json; charset=utf-8' };
    expect((await postProject(body(), charset)).status).toBe(201);
  });

  test('is rejected if it is compressed', async () => {
    const response = await postProject(body(), { ...json, 'content-encoding': 'gzip' });
    expect(await problemOf(response)).toMatchObject({ status: 415, code: 'unsupported_media_type' });
  });

  test('is rejected above 256 KiB, with or without a declared length', async () => {
    const long = JSON.stringify({ org_id: orgId, name: 'x'.repeat(256 * 1024) });
    expect(await problemOf(await postProject(long))).toMatchObject({ status: 413, code: 'body_too_large' });
    const chunked = new Blob([long]).stream();
    expect(await problemOf(await postProject(chunked))).toMatchObject({ status: 413, code: 'body_too_large' });
    const padded = body().padEnd(256 * 1024, ' ');
    expect((await postProject(padded)).status).toBe(201);
  });

  test('is rejected with keys that could change a prototype', async () => {
    const pipeline = `{"name":"p","workflow_file":"a.yml"`;
    for (const key of ['__proto__', 'constructor', 'prototype', 'toString']) {
      const flat = await postProject(`{"org_id":"${orgId}","name":"x","${key}":{"name":"y"}}`);
      expect(await problemOf(flat), key).toMatchObject({ status: 400, code: 'invalid_request' });
    }
    const projectId = await addProject(api.database, orgId);
    const app = await client.ask<{ id: string }>('POST', `/v1/projects/${projectId}/apps`, { name: 'a' });
    for (const key of ['__proto__', 'constructor']) {
      const response = await fetch(`${api.url}/v1/apps/${app.id}/pipelines`, {
        method: 'POST',
        headers: json,
        body: `${pipeline},"inputs":{"${key}":"x"}}`,
      });
      expect(response.status, key).toBe(400);
    }
    expect(({} as Record<string, unknown>)['name']).toBeUndefined();
  });

  test('that breaks off does not affect later requests', async () => {
    await new Promise<void>((resolve) => {
      const sent = request(`${api.url}/v1/projects`, {
        method: 'POST',
        headers: { ...json, 'content-length': '100' },
      });
      sent.on('error', () => resolve());
      sent.write('{"name":', () => sent.destroy());
      sent.on('close', () => resolve());
    });
    expect((await fetch(`${api.url}/healthz`)).status).toBe(200);
  });
});

describe('a list', () => {
  test('is paged by its Link header, without gaps or duplicates while rows are added', async () => {
    const org = await addOrg(api.database);
    const { secret } = await addToken(api.database, { orgId: org });
    const made: string[] = [];
    for (let count = 0; count < 7; count += 1) made.push(await addProject(api.database, org));
    const pages: string[][] = [];
    let next: string | undefined = '/v1/projects?limit=3';
    while (next) {
      const answer: { headers: Headers; body: { id: string }[] } = await api.as(secret).send('GET', next);
      pages.push(answer.body.map(({ id }) => id));
      next = /^<([^>]+)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1];
      expect(next === undefined || next.includes('limit=3')).toBe(true);
      await addProject(api.database, org);
    }
    expect(pages.map(({ length }) => length)).toEqual([3, 3, 1]);
    expect(pages.flat()).toEqual(made.reverse());
  });

  test('has no Link header if everything fits on the page', async () => {
    const org = await addOrg(api.database);
    const { secret } = await addToken(api.database, { orgId: org });
    await addProject(api.database, org);
    await addProject(api.database, org);
    expect((await api.as(secret).send('GET', '/v1/projects?limit=2')).headers.get('link')).toBeNull();
  });

  test.each([
    'cursor=nonsense',
    'cursor=',
    `cursor=${Buffer.from("prj_' or 1=1").toString('base64url')}`,
    'limit=0',
    'limit=201',
    'limit=many',
    'limit=1&limit=2',
    'unknown=1',
  ])('is rejected with ?%s', async (query) => {
    const response = await fetch(`${api.url}/v1/projects?${query}`, { headers: { authorization } });
    expect(await problemOf(response)).toMatchObject({ status: 400, code: 'invalid_request' });
  });
});

describe('a revision', () => {
  test('is in the ETag, and an outdated one changes nothing', async () => {
    const projectId = await addProject(api.database, orgId);
    const path = `/v1/projects/${projectId}`;
    const etag = (await client.send('GET', path)).headers.get('etag') ?? '';
    expect(etag).toBe('"1"');
    const first = await client.send('PATCH', path, { name: 'Mine' }, { 'if-match': etag });
    expect(first.status).toBe(200);
    expect(first.headers.get('etag')).toBe('"2"');
    const second = await client.send('PATCH', path, { name: 'Yours' }, { 'if-match': etag });
    expect(second).toMatchObject({ status: 412, body: { code: 'precondition_failed' } });
    expect((await client.send('DELETE', path, undefined, { 'if-match': etag })).status).toBe(412);
    for (const nonsense of ['2', '"x"', '"2", "3"']) {
      expect((await client.send('PATCH', path, { name: 'Z' }, { 'if-match': nonsense })).status).toBe(412);
    }
    expect(await client.ask('GET', path)).toMatchObject({ name: 'Mine' });
    expect((await client.send('PATCH', path, { name: 'Ours' }, { 'if-match': '*' })).status).toBe(200);
  });

  test('lets one of several concurrent changes succeed', async () => {
    const path = `/v1/projects/${await addProject(api.database, orgId)}`;
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, at) => client.send('PATCH', path, { name: `n${at}` }, { 'if-match': '"1"' })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(7).fill(412)]);
  });
});

describe('another origin', () => {
  const preflight = (path: string, origin: string) =>
    fetch(api.url + path, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
    });

  test('is allowed if the operator lists it', async () => {
    const before = await preflight('/v1/projects', corsOrigin);
    expect(before.status).toBe(204);
    expect(before.headers.get('access-control-allow-origin')).toBe(corsOrigin);
    expect(before.headers.get('access-control-allow-headers')).toContain('idempotency-key');
    const read = await fetch(`${api.url}/v1/projects`, { headers: { authorization, origin: corsOrigin } });
    expect(read.headers.get('access-control-allow-origin')).toBe(corsOrigin);
    expect(read.headers.get('vary')?.toLowerCase()).toContain('origin');
    const refused = await fetch(`${api.url}/v1/projects`, { headers: { origin: corsOrigin } });
    expect(refused.status).toBe(401);
    expect(refused.headers.get('access-control-allow-origin')).toBe(corsOrigin);
  });

  test('is rejected otherwise, and always at webhook addresses', async () => {
    const places: [string, string][] = [
      ['/v1/projects', 'https://evil.example.com'],
      ['/v1/projects', 'null'],
      ['/v1/projects', `${corsOrigin}.evil.example.com`],
      ['/v1/webhooks/github', corsOrigin],
      ['/v1/webhooks/github/gha_00000000000000000000000000', corsOrigin],
      ['/sign-in', corsOrigin],
    ];
    for (const [path, origin] of places) {
      const answers = [
        await preflight(path, origin),
        await fetch(api.url + path, { method: 'POST', headers: { origin, authorization } }),
      ];
      for (const { headers } of answers) {
        const allowed = [...headers.keys()].filter((name) => name.startsWith('access-control-'));
        expect(allowed, `${path} from ${origin}`).toEqual([]);
      }
    }
  });
});

describe('the service', () => {
  test('reports that it is alive, and its readiness from the heartbeats of the relays', async () => {
    const ready = async () => (await fetch(`${api.url}/readyz`)).json();
    expect(await (await fetch(`${api.url}/healthz`)).json()).toEqual({ status: 'ok' });
    expect(await ready()).toEqual({ status: 'degraded', reason: 'no_relay' });
    await api.database.write((trx) => beat(trx, { id: 'relay', temporalReachable: false }));
    expect(await ready()).toEqual({ status: 'degraded', reason: 'temporal_away' });
    await api.database.write((trx) => beat(trx, { id: 'relay', temporalReachable: true }));
    expect(await ready()).toEqual({ status: 'ok', reason: null });
  });

  test('is not ready without its database, and gives no reason', async () => {
    const lost = await startApi();
    await lost.database.close();
    const response = await fetch(`${lost.url}/readyz`);
    expect(response.status).toBeGreaterThanOrEqual(500);
    expect(await response.text()).not.toMatch(/sqlite|postgres|knex|pool/i);
    expect((await fetch(`${lost.url}/healthz`)).status).toBe(200);
    await lost.stop().catch(() => {});
  });

  test('counts its requests by route, not by address', async () => {
    await client.send('GET', `/v1/orgs/${orgId}`);
    const text = await api.registry.metrics();
    expect(text).toContain('route="/v1/orgs/{org}"');
    expect(text).not.toContain(orgId);
  });

  test('shows no metrics on its public port', async () => {
    expect((await fetch(`${api.url}/metrics`)).status).toBe(404);
    expect((await client.send('GET', '/metrics')).status).toBe(404);
  });

  test('serves its API document and a page for people', async () => {
    const document = (await (await fetch(`${api.url}/openapi.json`)).json()) as { openapi: string };
    expect(document.openapi).toBe('3.1.0');
    const docs = await fetch(`${api.url}/docs`);
    expect(docs.headers.get('content-type')).toContain('text/html');
    const html = await docs.text();
    expect(html).not.toMatch(/https?:\/\//);
    expect(html).not.toMatch(/<script(?! src="\/docs\/viewer\.js")/);
    expect(docs.headers.get('content-security-policy')).toContain("script-src 'self'");
    const script = await fetch(`${api.url}/docs/viewer.js`);
    expect(script.headers.get('content-type')).toContain('javascript');
    expect((await script.text()).length).toBeGreaterThan(100_000);
  });
});

describe('a browser', () => {
  const accept = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';
  const open = async (path: string, headers: Record<string, string> = { accept }) => {
    const response = await fetch(api.url + path, { headers });
    return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
  };

  test('gets a page at the address that Fairlead prints', async () => {
    const home = await open('/');
    expect(home).toMatchObject({ status: 200, type: 'text/html; charset=utf-8' });
    expect(home.text).toContain('<a href="/docs">');
  });

  test('gets a page at an unknown address, and other clients get a problem', async () => {
    const page = await open('/nothing');
    expect(page).toMatchObject({ status: 404, type: 'text/html; charset=utf-8' });
    expect(page.text).toContain('<title>Page not found</title>');
    expect(await open('/nothing', {})).toMatchObject({ status: 404, type: 'application/problem+json' });
  });

  test('gets a refusal as a page for people, with code elements instead of backticks', async () => {
    const foreign = await open('/v1/integrations/github/callback?state=unknown&code=x');
    expect(foreign.text).toContain('<title>You cannot continue with this link</title>');
    const incomplete = await open('/v1/integrations/github/create');
    expect(incomplete).toMatchObject({ status: 400 });
    expect(incomplete.text).toContain('it has no <code>state</code>.');
    const unknown = await open('/v1/integrations/github/install?owner=acme');
    expect(unknown).toMatchObject({ status: 401 });
    expect(unknown.text).toContain('<title>Sign in first</title>');
  });
});

test('says that a missing field is missing', async () => {
  const headers = { authorization, 'content-type': 'application/json' };
  const response = await fetch(`${api.url}/v1/projects`, { method: 'POST', headers, body: '{"name":"x"}' });
  const { errors } = (await response.json()) as { errors: unknown[] };
  expect(errors).toEqual([{ path: 'body.org_id', message: 'is missing' }]);
});

describe('`Strict-Transport-Security`', () => {
  test.each(['/healthz', '/v1/projects', '/nothing', '/sign-in'])(
    'is sent for %s if the public URL is https',
    async (path) => {
      const response = await fetch(api.url + path);
      expect(response.headers.get('strict-transport-security')).toBe('max-age=31536000');
    },
  );

  test('is not sent if the public URL is http', async () => {
    const links = { publicUrl: 'http://localhost:8080', temporalUiUrl: undefined, namespace: 'default' };
    const plain = await startApi({ links });
    const response = await fetch(`${plain.url}/healthz`);
    await plain.stop();
    expect(response.status).toBe(200);
    expect(response.headers.has('strict-transport-security')).toBe(false);
  });
});
