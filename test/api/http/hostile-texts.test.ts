import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { githubAppSecrets } from '../../../db/secrets/github-app-secrets.ts';
import { adminToken, startApi, type TestApi } from '../../support/api.ts';
import { keyring } from '../../support/hooks.ts';
import { hostileNumbers, hostileTexts, malformedTexts, unparseableHosts } from '../../support/hostile-texts.ts';
import { type OpenApi, type Samples, type Slot, slotsOf } from '../../support/requests-by-schema.ts';
import { rsaKeyPair } from '../../support/rsa-keys.ts';
import { addEverything, addOrg, addProject, type Tenant } from '../../support/scenes/tenants.ts';

const openApi = JSON.parse(readFileSync(new URL('../../../docs/openapi.json', import.meta.url), 'utf8')) as OpenApi;

let api: TestApi;
let tenant: Tenant;

beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api?.stop());
// Some of these requests succeed, and change or delete what other requests need.
beforeEach(async () => {
  const orgId = await addOrg(api.database);
  tenant = await addEverything(api.database, { orgId, projectId: await addProject(api.database, orgId) });
  await api.database.write(async (trx) => {
    await trx('github_apps').where({ id: tenant.githubAppId }).update({ client_id: 'Iv1.client' });
    await githubAppSecrets(trx, keyring).put(tenant.githubAppId, null, 'client_secret', 'a-long-secret');
  });
});

/** The values that a request needs to get past the schema. The ids exist. */
const samples: Samples = (name, { pattern }) => {
  const prefix = /^\^([a-z]+)_\[/.exec(String(pattern))?.[1];
  if (prefix) return idsOf(tenant)[prefix];
  return texts[name];
};

function idsOf(one: Tenant): Record<string, string | undefined> {
  return {
    org: one.orgId,
    prj: one.projectId,
    app: one.appId,
    pipe: one.pipelineId,
    bld: one.buildId,
    int: one.integrationId,
    ca: one.cloudAccountId,
    gha: one.githubAppId,
    flow: one.flowId,
    repo: one.repositoryId,
    dlv: one.deliveryId,
    op: one.operationId,
    inc: one.incidentId,
    lease: one.leaseId,
  };
}

const texts: Record<string, string | undefined> = {
  registry: 'ghcr.io',
  username: 'robot',
  password: 'a-long-password',
  webhook_secret: 'a-long-random-secret',
  client_secret: 'a-long-secret',
  secret_access_key: 'a-long-secret',
  access_key_id: 'AKIAIOSFODNN7EXAMPLE',
  private_key: rsaKeyPair().privateKey,
  workflow_file: 'deploy.yml',
  ref: 'main',
};

type Sent = { status: number; text: string };

/** Sends the path unchanged: `fetch` would rewrite it. */
function send(method: string, path: string, headers: Record<string, string> = {}, body?: string): Promise<Sent> {
  const authorization = `Bearer ${adminToken}`;
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const sent = request(
      api.url,
      { method: method.toUpperCase(), path, headers: { authorization, ...type, ...headers } },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      },
    );
    sent.on('error', reject).end(body);
  });
}

type Attempt = { method: string; path: string; headers?: Record<string, string>; body?: unknown };

/** Returns the requests that get a `5xx` response, except `501`. */
async function failuresOf(attempts: Attempt[]): Promise<string[]> {
  const found: string[] = [];
  const left = attempts.values();
  const work = async () => {
    for (const { method, path, headers, body } of left) {
      const { status, text } = await send(method, path, headers, body === undefined ? undefined : JSON.stringify(body));
      const isOurs = status >= 500 && status !== 501;
      if (isOurs) found.push(`${method} ${path} ${JSON.stringify({ headers, body })}: ${status} ${text.slice(0, 300)}`);
    }
  };
  await Promise.all(Array.from({ length: 8 }, work));
  return found;
}

function valuesFor({ field, kind, isGated }: Slot): unknown[] {
  if (kind === 'number') return [...hostileNumbers, ...malformedTexts];
  if (isGated) return malformedTexts;
  // A cursor is read from base64url.
  if (field.endsWith('.cursor'))
    return [...malformedTexts, ...hostileTexts.map((text) => Buffer.from(text).toString('base64url'))];
  return kind === 'any' ? [...hostileTexts, ...hostileNumbers, null, [], {}, [[null]]] : hostileTexts;
}

const operations = Object.entries(openApi.paths).flatMap(([route, methods]) =>
  Object.keys(methods).map((method): [string, string] => [method, route]),
);

describe('hostile text in any field never causes a 5xx', () => {
  test.each(operations)('%s %s', { timeout: 60_000 }, async (method, route) => {
    const all = slotsOf(openApi, samples).filter((slot) => slot.method === method && slot.route === route);
    // All kinds of cloud accounts share most of their fields, so each field is tested once.
    const slots = [...new Map(all.map((slot) => [slot.field, slot])).values()];
    const attempts = slots.flatMap((slot) => valuesFor(slot).map((value) => ({ method, ...slot.fill(value) })));
    expect(await failuresOf(attempts)).toEqual([]);
  });
});

/** The fields that people read: names of all kinds, user names, refs and environments. */
const namesOfFields = /(^|[._])(name|username|label|title|description|environment|branch|ref)$/;

describe('whitespace around a secret', () => {
  const secretFields = /^body\.(.*\.)?(password|secret|client_secret|webhook_secret|secret_access_key)$/;
  const secrets = () => {
    const all = slotsOf(openApi, samples).filter(({ kind, field }) => kind === 'text' && secretFields.test(field));
    return [...new Map(all.map((slot) => [`${slot.method} ${slot.route} ${slot.field}`, slot])).values()];
  };

  test.each([' a-long-secret-0x7', 'a-long-secret-0x7 ', '\ta-long-secret-0x7', 'a-long-secret-0x7\u00a0'])(
    'returns 400 and says why: %j',
    async (text) => {
      for (const slot of secrets()) {
        const { path, body } = slot.fill(text);
        const answer = await send(slot.method, path, {}, JSON.stringify(body));
        expect(JSON.parse(answer.text)).toMatchObject({
          status: 400,
          errors: [{ path: slot.field, message: expect.stringContaining('must not begin or end with whitespace') }],
        });
      }
    },
  );

  test('the check covers every kind of secret', () => {
    const fields = new Set(secrets().map(({ route, field }) => `${route} ${field}`));
    for (const one of [
      '/v1/integrations body.credentials.password',
      '/v1/integrations/{integration} body.credentials.password',
      '/v1/integrations/github/import body.webhook_secret',
      '/v1/integrations/github/import body.client_secret',
      '/v1/integrations/{integration}/credentials/rotate body.secret',
      '/v1/integrations/{integration}/credentials/rotate body.client_secret',
      '/v1/cloud-accounts body.credentials.secret_access_key',
      '/v1/cloud-accounts body.credentials.client_secret',
    ]) {
      expect(fields).toContain(one);
    }
  });
});

describe('hidden characters in a name', () => {
  const named = () => {
    const all = slotsOf(openApi, samples).filter(({ kind, field }) => kind === 'text' && namesOfFields.test(field));
    return [...new Map(all.map((slot) => [`${slot.method} ${slot.route} ${slot.field}`, slot])).values()].filter(
      ({ field }) => field.startsWith('body.'),
    );
  };
  const hidden = [
    '\u0000',
    '\u0007',
    '\n',
    '\u007f',
    '\u0085',
    '\u2028',
    '\u202e',
    '\u2066',
    '\u200b',
    '\u2060',
    '\ufeff',
    '\ud800',
  ];

  test.each(hidden.map((character) => [codePointOf(character), character]))(
    'returns 422 for %s in every field',
    async (code, character) => {
      const answers = [];
      for (const slot of named()) {
        const { path, body } = slot.fill(`ab${character}cd`);
        const { status, text } = await send(slot.method, path, {}, JSON.stringify(body));
        const { code: problem, errors } = JSON.parse(text) as { code: string; errors: unknown };
        answers.push({ slot: `${slot.method} ${slot.route}`, status, problem, errors });
      }
      expect(answers).toEqual(
        named().map(({ method, route, field }) => ({
          slot: `${method} ${route}`,
          status: 422,
          problem: 'characters_not_allowed',
          errors: [{ path: field, message: `must not contain ${code}` }],
        })),
      );
    },
  );

  test('the check covers every kind of name', () => {
    const fields = new Set(named().map(({ field }) => field));
    const expected = ['name', 'display_name', 'app_name', 'credentials.username', 'environment', 'branch', 'ref'];
    expect([...fields].sort()).toEqual(expected.map((field) => `body.${field}`).sort());
    const routes = new Set(named().map(({ route }) => route));
    for (const route of [
      '/v1/orgs',
      '/v1/projects',
      '/v1/tokens',
      '/v1/integrations',
      '/v1/cloud-accounts',
      '/api/integrations',
    ]) {
      expect(routes).toContain(route);
    }
  });

  test('accepts marks of right-to-left scripts and whole surrogate pairs', async () => {
    const name = 'שלום\u200f 😀 né';
    expect(await api.admin.send('PATCH', `/v1/orgs/${tenant.orgId}`, { name })).toMatchObject({
      status: 200,
      body: { name },
    });
  });
});

function codePointOf(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}

describe('rejects a host that cannot exist', () => {
  const credentials = { username: 'robot', password: 'a-long-password' };
  const fields: [string, (host: string) => [string, string, object]][] = [
    [
      'the registry of an integration',
      (host) => ['POST', '/v1/integrations', { provider: 'oci', registry: host, credentials }],
    ],
    [
      'the registry of a cloud',
      (host) => [
        'POST',
        '/v1/integrations',
        { provider: 'ecr', registry: host, cloud_account_id: tenant.cloudAccountId },
      ],
    ],
    [
      'the registry of Docker Hub',
      (host) => ['POST', '/v1/integrations', { provider: 'dockerhub', registry: host, credentials }],
    ],
    [
      'the realm of a registry',
      (host) => ['POST', '/v1/integrations', { provider: 'oci', registry: 'ghcr.io', realm: host, credentials }],
    ],
    ['a new realm of a registry', (host) => ['PATCH', `/v1/integrations/${tenant.registryId}`, { realm: host }]],
    [
      'an image of a registry',
      (host) => [
        'POST',
        '/v1/integrations',
        { provider: 'oci', registry: 'ghcr.io', repositories: [`${host}/acme:x`], credentials },
      ],
    ],
    [
      'a new image of a registry',
      (host) => ['PATCH', `/v1/integrations/${tenant.registryId}`, { repositories: [`${host}/acme:x`] }],
    ],
    [
      'the image of an app',
      (host) => [
        'PUT',
        `/v1/apps/${tenant.appId}/registry`,
        { integration_id: tenant.registryId, image_repository: `${host}/acme:x` },
      ],
    ],
    [
      'the host to exchange a credential for',
      (host) => ['POST', `/v1/projects/${tenant.projectId}/credentials/exchange`, { purpose: 'pull', host }],
    ],
    [
      'an image to exchange a credential for',
      (host) => [
        'POST',
        `/v1/projects/${tenant.projectId}/credentials/exchange`,
        { purpose: 'pull', integration_id: tenant.registryId, repositories: [`${host}/acme:x`] },
      ],
    ],
    [
      'the registry in the dialect',
      (host) => ['POST', '/api/integrations', { kind: 'oci', name: 'shop', metadata: { registry: host }, credentials }],
    ],
    ['the host of a GitHub', (host) => ['POST', '/v1/integrations/github/start', { host_url: `https://${host}` }]],
    ['the API of a GitHub', (host) => ['POST', '/v1/integrations/github/start', { api_url: `https://${host}` }]],
    [
      'the page to come back to',
      (host) => ['POST', '/v1/integrations/github/start', { redirect_url: `https://${host}/x` }],
    ],
    [
      'the page of an environment',
      (host) => [
        'POST',
        `/v1/apps/${tenant.appId}/pipelines`,
        { name: 'deploy', workflow_file: 'deploy.yml', environment: 'prod', environment_url: `https://${host}` },
      ],
    ],
  ];
  test.each(fields)('%s', async (_, requestFor) => {
    const owner = { project_id: tenant.projectId };
    for (const host of unparseableHosts) {
      const [method, path, body] = requestFor(host);
      const isNew = method === 'POST' && path.startsWith('/v1/integrations');
      const dialect = path.startsWith('/api/') ? { projectId: tenant.projectId } : {};
      const { status, body: answer } = await api.admin.send<{ code: string; detail: string }>(method, path, {
        ...(isNew && owner),
        ...dialect,
        ...body,
      });
      expect({ host, status, answer }).toMatchObject({
        host,
        status: expect.toSatisfy((one: number) => [400, 422].includes(one)),
      });
      expect(answer.detail).toBeTypeOf('string');
    }
  });

  test('names the invalid field', async () => {
    const body = { provider: 'oci', registry: 'x.0', credentials, project_id: tenant.projectId };
    const answer = await api.admin.send('POST', '/v1/integrations', body);
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ path: 'body.registry' }] } });
  });
});

describe('a URL, a header or a cookie that cannot be decoded never causes a 5xx', () => {
  const raw = ['%', '%zz', '%ff', '%00', '%ed%a0%80', '%c0%af', '..%2f..%2f', 'a%'];

  test('in a path', async () => {
    const routes = ['/', '/v1/', '/v1/orgs/', '/connect/', '/v1/webhooks/github/', '/api/integrations/', '/docs/'];
    const attempts = routes.flatMap((route) =>
      [...raw, '\u00ff', '%/'].flatMap((text) =>
        ['GET', 'POST', 'DELETE', 'OPTIONS'].map((method) => ({ method, path: route + text })),
      ),
    );
    expect(await failuresOf(attempts)).toEqual([]);
  });

  test('in a query', async () => {
    const attempts = raw.flatMap((text) =>
      [text, `limit=${text}`, `cursor=${text}`, `${text}=1`, `wait=${text}`].map((query) => ({
        method: 'GET',
        path: `/v1/orgs?${query}`,
      })),
    );
    expect(await failuresOf(attempts)).toEqual([]);
  });

  const everywhere = [
    ...['accept', 'authorization', 'content-encoding', 'content-type', 'cookie', 'host', 'idempotency-key', 'if-match'],
    ...['origin', 'prefer', 'sec-fetch-site', 'x-csrf-token', 'x-forwarded-for', 'x-request-id'],
  ];
  const ofWebhooks = [
    ...['x-github-delivery', 'x-github-enterprise-host', 'x-github-event', 'x-github-hook-installation-target-id'],
    'x-hub-signature-256',
  ];
  test.each([...everywhere, ...ofWebhooks])('in %s', async (header) => {
    // A header can hold only these characters.
    const values = [...raw, ...hostileTexts.filter((text) => /^[\t\x20-\x7e\x80-\xff]*$/.test(text))];
    const prefix = header === 'cookie' ? '__Host-fairlead_session=' : header === 'authorization' ? 'Bearer ' : '';
    const flow = `/connect/${tenant.flowId}`;
    const routes: [string, string][] = ofWebhooks.includes(header)
      ? [['POST', '/v1/webhooks/github']]
      : [
          ['PATCH', `/v1/orgs/${tenant.orgId}`],
          [header === 'origin' || header === 'host' ? 'POST' : 'GET', header === 'cookie' ? flow : `${flow}/check`],
        ];
    const attempts = values.flatMap((value) =>
      routes.map(([method, path]) => ({
        ...{ method, path, headers: { [header]: prefix + value } },
        ...(method !== 'GET' && { body: { name: 'text' } }),
      })),
    );
    expect(await failuresOf(attempts)).toEqual([]);
  });
});
