import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { allCloudAccounts } from '../../../db/clouds/cloud-accounts.ts';
import { sealedSecrets } from '../../../db/secrets/sealed-secrets.ts';
import type { CloudKind } from '../../../domain/clouds/cloud-accounts.ts';
import { newId } from '../../../domain/ids.ts';
import { registryPasswordKind } from '../../../domain/registries/registry-settings.ts';
import { startApi, type TestApi } from '../../support/api.ts';
import type { Client } from '../../support/client.ts';
import { keyring } from '../../support/hooks.ts';
import { seed } from '../../support/scenes/seed.ts';
import { addEverything, addOrg, addProject, addToken, addUser } from '../../support/scenes/tenants.ts';

type View = {
  id: string;
  code?: string;
  detail?: string;
  status: string;
  integration_id?: string | null;
  registry: Record<string, unknown>;
  operation?: { id: string; kind: string; status: string; workflow_id: string };
};

const allowed = 'http://registry.internal:5000';
const certificate = readFileSync(new URL('../../support/tls/certificate.pem', import.meta.url), 'utf8');
const canary = 'c4nary-of-the-password';
const ecr = '123456789012.dkr.ecr.eu-west-1.amazonaws.com';
const hosts = { ecr, gar: 'europe-west1-docker.pkg.dev', acr: 'acmeshop.azurecr.io' };
const clouds = { ecr: 'aws', gar: 'gcp', acr: 'azure' } as const;

let api: TestApi;
let client: Client;
let orgId: string;
let projectId: string;

beforeAll(async () => {
  api = await startApi({
    connect: {
      defaultHost: { hostUrl: 'https://github.com', apiUrl: 'https://api.github.com' },
      allowedHosts: [{ origin: allowed }, { host: 'harbor.internal' }],
      redirectOrigins: [],
      webhookUrlFor: () => 'https://fairlead.example.com/v1/webhooks/github',
    },
  });
});
afterAll(() => api?.stop());
beforeEach(async () => {
  orgId = await addOrg(api.database);
  projectId = await addProject(api.database, orgId);
  client = api.as((await addToken(api.database, { orgId, projectId })).secret);
});

const post = (body: object, who = client) => who.send<View>('POST', '/v1/integrations', body);
const oci = (changes: object = {}) => ({
  provider: 'oci',
  registry: 'ghcr.io',
  credentials: { username: 'robot$team', password: canary },
  ...changes,
});
const patch = (id: string, body: object, headers?: Record<string, string>) =>
  client.send<View>('PATCH', `/v1/integrations/${id}`, body, headers);
const rowOf = async (id: string) => {
  const row = await api.database.reader('integrations').where({ id }).first();
  return { ...row, settings: JSON.parse(row?.settings ?? '{}') as Record<string, unknown> };
};
const versionsOf = (id: string) =>
  api.database
    .reader('credential_versions')
    .join('credentials', 'credentials.id', 'credential_versions.credential_id')
    .where({ integration_id: id })
    .orderBy('version')
    .select('version', 'credential_versions.status');
const passwordOf = (id: string) =>
  sealedSecrets(api.database.reader, keyring).active({ integrationId: id }, registryPasswordKind);
const account = (kind: CloudKind, where: { orgId: string; projectId: string | null }) =>
  api.database.write((trx) =>
    allCloudAccounts(trx).insert({
      ...where,
      kind,
      authMode: 'assume_role',
      displayName: 'Production',
      config: {},
      createdBy: 'system',
    }),
  );

describe('a registry with a password', () => {
  test('is pending while its verification runs', async () => {
    const made = await post(oci({ repositories: ['acme/shop', 'ghcr.io/acme/shop', 'acme/api'] }));
    expect(made.status).toBe(201);
    expect(made.headers.get('etag')).toBe('"1"');
    const { operation, ...view } = made.body;
    expect(view).toMatchObject({
      provider: 'oci',
      host_url: 'https://ghcr.io',
      auth_mode: 'basic',
      status: 'pending',
      registry: {
        host: 'ghcr.io',
        username: 'robot$team',
        cloud_account_id: null,
        repositories: ['acme/shop', 'acme/api'],
        checks: [],
      },
    });
    expect(operation).toMatchObject({ kind: 'verify', status: 'running', workflow_id: `verify/${view.id}` });
    expect(await client.ask('GET', `/v1/integrations/${view.id}`)).toEqual(view);
    expect(await passwordOf(view.id)).toBe(canary);
    const command = await api.database
      .reader('commands')
      .where({ workflow_id: `verify/${view.id}` })
      .first();
    expect(command).toMatchObject({ action: 'signal_with_start', workflow: 'verifyIntegration', signal: 'requested' });
    expect(JSON.parse(command?.input ?? '')).toEqual({ integrationId: view.id });
  });

  test('never returns its password', async () => {
    const { body } = await post(oci(), client);
    const key = { 'idempotency-key': randomBytes(8).toString('hex') };
    await patch(body.id, { credentials: { password: `${canary}-2` } }, key);
    const seen = [
      await client.ask('GET', `/v1/integrations/${body.id}`),
      await client.ask('GET', '/v1/integrations'),
      await client.ask('GET', `/v1/integrations/${body.id}/credentials`),
      await client.ask('GET', '/v1/audit'),
      await client.send('PATCH', `/v1/integrations/${body.id}`, { credentials: { username: 'a:b', password: canary } }),
    ];
    expect(JSON.stringify(seen)).toContain(body.id);
    const forms = [canary, Buffer.from(canary).toString('base64').slice(0, 24), Buffer.from(canary).toString('hex')];
    const tables = [
      'integrations',
      'credentials',
      'audit_events',
      'commands',
      'operations',
      'idempotency_keys',
    ] as const;
    const cells = [];
    for (const table of tables) cells.push(await api.database.reader(table));
    for (const form of forms) expect(JSON.stringify([seen, cells])).not.toContain(form);
  });

  test.each([
    ['docker.io', {}],
    ['https://index.docker.io/v1/', {}],
    ['registry-1.docker.io', { repositories: ['nginx'] }],
  ])('is Docker Hub under each of its names: %s', async (registry, more) => {
    const { status, body } = await post({ ...oci({ registry, ...more }), provider: 'dockerhub' });
    expect([status, body.registry['host']]).toEqual([201, 'docker.io']);
    if ('repositories' in more) expect(body.registry['repositories']).toEqual(['library/nginx']);
  });

  test('requires `org:admin` to belong to the whole organization', async () => {
    const member = api.as((await addUser(api.database, orgId, 'admin')).session);
    expect(await post(oci({ org_id: orgId }), member)).toMatchObject({ status: 403, body: { code: 'missing_scope' } });
    const owner = api.as((await addUser(api.database, orgId, 'owner')).session);
    const made = await post(oci({ org_id: orgId }), owner);
    expect(made.status).toBe(201);
    expect(await rowOf(made.body.id)).toMatchObject({ project_id: null, owner_id: orgId });
    const foreign = await addProject(api.database, await addOrg(api.database));
    expect(await post(oci({ project_id: foreign }))).toMatchObject({ status: 404, body: { code: 'not_found' } });
  });

  test('returns 409 with the existing integration if the caller can see it', async () => {
    const first = await post(oci());
    const again = await post(oci({ registry: 'https://GHCR.io' }));
    expect(again).toMatchObject({ status: 409, body: { code: 'integration_exists', integration_id: first.body.id } });
    expect((await post(oci({ credentials: { username: 'other', password: 'x' } }))).status).toBe(201);
    const sibling = await addProject(api.database, orgId, 'Second');
    const theirs = api.as((await addToken(api.database, { orgId, projectId: sibling })).secret);
    expect((await post(oci(), theirs)).status).toBe(201);
    const atOnce = await Promise.all(
      Array.from({ length: 5 }, () => post(oci({ credentials: { username: 'same', password: 'x' } }))),
    );
    expect(atOnce.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409]);
  });

  const token = Buffer.from(JSON.stringify({ payload: 'x'.repeat(40), datakey: 'y', version: '2' })).toString('base64');
  test.each([
    ['the user AWS', { username: 'AWS', password: 'any' }],
    ['a token of ECR under another name', { username: 'bot', password: token }],
    [
      'the whole AWS authorization token',
      { username: 'bot', password: Buffer.from(`AWS:${token}`).toString('base64') },
    ],
    ['a token of Google', { username: 'oauth2accesstoken', password: 'ya29.x' }],
    ['a token of Azure', { username: '00000000-0000-0000-0000-000000000000', password: 'eyJx' }],
  ])('is rejected with the reason if it has %s', async (_, credentials) => {
    const refused = await post(oci({ registry: 'mirror.example.org', credentials }));
    expect(refused).toMatchObject({ status: 422, body: { code: 'credentials_short_lived' } });
    expect(refused.body.detail).toContain('expires within hours');
    expect(refused.body.detail).toContain('cloud account');
    const { body } = await post(oci());
    expect(await patch(body.id, { credentials })).toMatchObject({
      status: 422,
      body: { code: 'credentials_short_lived' },
    });
  });
});

describe('a host', () => {
  test.each([
    [ecr, '`ecr`'],
    [hosts.gar, '`gar`'],
    ['gcr.io', '`gar`'],
    [hosts.acr, '`acr`'],
    ['docker.io', '`dockerhub`'],
  ])('%s is not `oci`, and the error names its kind', async (registry, kind) => {
    const refused = await post(oci({ registry }));
    expect(refused).toMatchObject({ status: 422, body: { code: 'registry_host_mismatch' } });
    expect(refused.body.detail).toContain(kind);
  });

  test.each([
    ['oci', 'ghcr.io/acme'],
    ['oci', 'user@ghcr.io'],
    ['oci', 'ghcr.io?x=y'],
    ['oci', 'x.dkr.ecr.eu-west-1.amazonaws.com'],
    ['dockerhub', 'ghcr.io'],
    ['dockerhub', 'docker.io.evil.example.org'],
    ['ecr', `${ecr}.evil.example.org`],
    ['gar', 'gcr.io.evil.example.org'],
  ])('is rejected as %s: %s', async (provider, registry) => {
    const cloud = provider === 'ecr' || provider === 'gar';
    const body = cloud ? { provider, registry, cloud_account_id: newId('ca') } : { ...oci({ registry }), provider };
    expect(await post(body)).toMatchObject({ status: 422, body: { code: 'registry_host_mismatch' } });
  });

  test('is rejected if it belongs to a Google Cloud that Fairlead cannot sign in to', async () => {
    const body = { provider: 'gar', registry: 'docker.s3nsregistry.fr', cloud_account_id: newId('ca') };
    const refused = await post(body);
    expect(refused).toMatchObject({ status: 422, body: { code: 'registry_host_mismatch' } });
    expect(refused.body.detail).toMatch(/googleapis\.com/);
  });

  test.each([
    ['127.0.0.1', 422],
    ['169.254.169.254', 422],
    ['localhost', 422],
    ['registry.corp', 422],
    ['http://ghcr.io', 422],
    ['harbor.example.org:8443', 422],
    ['registry.internal:5001', 422],
    ['https://registry.internal:5000', 422],
    [allowed, 201],
    ['harbor.internal', 201],
    ['harbor.example.org', 201],
  ])('%s is reached only if it is public or the operator allows it (%i)', async (registry, status) => {
    const answer = await post(oci({ registry }));
    expect([answer.status, answer.body.code]).toEqual([status, status === 422 ? 'host_not_allowed' : undefined]);
    if (registry === allowed) expect(await rowOf(answer.body.id)).toMatchObject({ host_url: allowed });
  });

  test('uses plain HTTP for a host without a scheme if the operator allows only plain HTTP there', async () => {
    const answer = await post(oci({ registry: new URL(allowed).host }));
    expect(answer).toMatchObject({ status: 201, body: { status: 'pending' } });
    expect(await rowOf(answer.body.id)).toMatchObject({ host_url: allowed });
  });

  test('names the lower-case form of a repository that it rejects', async () => {
    const answer = await post(oci({ repositories: ['acme/shop', 'Acme/Shop'] }));
    expect(answer).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'body.repositories.1', message: 'must be in lower case: acme/shop' }] },
    });
  });
});

describe('a registry of a cloud', () => {
  test.each(['ecr', 'gar', 'acr'] as const)('%s inherits the access of a cloud account', async (provider) => {
    const own = await account(clouds[provider], { orgId, projectId });
    const body = { provider, registry: hosts[provider], cloud_account_id: own.id };
    const made = await post(body);
    expect(made).toMatchObject({
      status: 201,
      body: { status: 'pending', auth_mode: 'cloud_account', registry: { username: null, cloud_account_id: own.id } },
    });
    expect(await versionsOf(made.body.id)).toEqual([]);
    expect(await post(body)).toMatchObject({ status: 409, body: { code: 'integration_exists' } });
    const { id } = made.body;
    for (const refused of [
      await post({ ...body, credentials: { username: 'u', password: 'p' } }),
      await post({ ...body, credentials: null }),
      await patch(id, { credentials: { password: 'p' } }),
    ]) {
      expect(refused).toMatchObject({ status: 422, body: { code: 'credentials_not_allowed_for_kind' } });
    }
    expect(await patch(id, { realm: 'x.example.org' })).toMatchObject({ body: { code: 'provider_not_supported' } });
  });

  test('rejects a cloud account of another owner, another cloud, or one that is deleted', async () => {
    const elsewhere = await addOrg(api.database);
    const sibling = await addProject(api.database, orgId, 'Second');
    const gone = await account('aws', { orgId, projectId });
    await api.database.write((trx) => allCloudAccounts(trx).remove(gone.id));
    const owner = api.as((await addUser(api.database, orgId, 'owner')).session);
    const wrong = [
      newId('ca'),
      (await account('aws', { orgId: elsewhere, projectId: null })).id,
      (await account('aws', { orgId, projectId: sibling })).id,
      (await account('gcp', { orgId, projectId })).id,
      gone.id,
    ];
    const answers = [];
    for (const id of wrong) {
      answers.push(await post({ provider: 'ecr', registry: ecr, cloud_account_id: id, project_id: projectId }, owner));
    }
    const shown = answers.map(({ status, body }) => [status, body.code, body.detail]);
    expect(new Set(shown.map(String)).size).toBe(1);
    expect(shown[0]?.slice(0, 2)).toEqual([422, 'cloud_account_missing']);
    const ofOrg = await account('aws', { orgId, projectId: null });
    expect(
      (await post({ provider: 'ecr', registry: ecr, cloud_account_id: ofOrg.id, project_id: projectId }, owner)).status,
    ).toBe(201);
  });
});

describe('a request', () => {
  test.each([
    ['no credentials', { credentials: undefined }],
    ['a user with a colon', { credentials: { username: 'a:b', password: 'x' } }],
    ['an empty password', { credentials: { username: 'a', password: '' } }],
    [
      'a private key beside the certificate',
      { ca_pem: `${certificate}-----BEGIN PRIVATE KEY-----\nMII=\n-----END PRIVATE KEY-----` },
    ],
    ['an invalid certificate', { ca_pem: '-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----' }],
    ['a realm with a path', { realm: 'auth.example.org/token' }],
    ['a realm with a user', { realm: 'me@auth.example.org' }],
    ['an expiry in the past', { expires_at: 1_000 }],
    ['a repository with a tag', { repositories: ['acme/shop:latest'] }],
    ['a repository of another host', { repositories: ['acme/../shop'] }],
    ['too many repositories', { repositories: Array.from({ length: 21 }, (_, at) => `acme/r${at}`) }],
    ['an unknown field', { secret: 'x' }],
  ])('is rejected with %s', async (_, changes) => {
    const refused = await post(oci(changes));
    expect(refused).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect(JSON.stringify(refused.body)).not.toContain(canary);
    expect(await client.ask('GET', '/v1/integrations')).toEqual([]);
  });

  test('accepts any password, and the registry’s own certificate', async () => {
    const password = `$ ' " ( : \n \\ é 🔑`;
    const expires_at = Math.floor(Date.now() / 1000) + 86_400;
    const credentials = { username: 'robot$proj+name', password };
    const { body } = await post(oci({ credentials, ca_pem: certificate, realm: 'auth.example.org', expires_at }));
    expect(await passwordOf(body.id)).toBe(password);
    expect(body.registry).toMatchObject({ custom_ca: true, realm: 'auth.example.org', expires_at });
  });
});

describe('a change', () => {
  let id: string;
  beforeEach(async () => {
    id = (await post(oci())).body.id;
  });

  test('of the name keeps the credential, and verifies nothing', async () => {
    const before = await rowOf(id);
    const { status, body } = await patch(id, { display_name: 'Images', metadata: { team: 'shop' } });
    expect([status, body.operation]).toEqual([200, undefined]);
    expect(await versionsOf(id)).toEqual([{ version: 1, status: 'active' }]);
    expect(await rowOf(id)).toMatchObject({ epoch: before.epoch, settings: before.settings });
  });

  test('of the password adds a pending version, and the old one stays in use', async () => {
    const { epoch = 0 } = await rowOf(id);
    const { status, body } = await patch(id, { credentials: { password: 'new' } }, { 'if-match': '"1"' });
    expect([status, body.operation?.kind]).toEqual([200, 'verify']);
    expect(body.registry).toMatchObject({ pending_login: { version: 2, username: 'robot$team' } });
    expect(await versionsOf(id)).toEqual([
      { version: 1, status: 'active' },
      { version: 2, status: 'pending' },
    ]);
    expect(await passwordOf(id)).toBe(canary);
    expect((await rowOf(id)).epoch).toBe(epoch);
    const shown = await client.ask<{ kind: string; versions: object[] }[]>('GET', `/v1/integrations/${id}/credentials`);
    expect(shown).toMatchObject([
      { kind: 'registry_password', versions: [{ status: 'pending' }, { status: 'active' }] },
    ]);
  });

  test('of the password replaces an earlier one that was not proven', async () => {
    for (const password of ['one', 'two']) await patch(id, { credentials: { password } });
    expect((await versionsOf(id)).map(({ status }) => status)).toEqual(['active', 'purged', 'pending']);
    // The active password is no new version, and withdraws the pending one.
    const { body } = await patch(id, { credentials: { password: canary } });
    expect(body.registry).toMatchObject({ pending_login: null });
    expect((await versionsOf(id)).map(({ status }) => status)).toEqual(['active', 'purged', 'purged']);
  });

  test('with an outdated revision is rejected, and only one of several concurrent changes succeeds', async () => {
    const change = (password: string) => patch(id, { credentials: { password } }, { 'if-match': '"1"' });
    const answers = await Promise.all(['one', 'two', 'three'].map(change));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412]);
    expect(await versionsOf(id)).toHaveLength(2);
    expect((await change('late')).status).toBe(412);
  });

  test('of the user returns 409 if that account is already connected', async () => {
    const { body: other } = await post(oci({ credentials: { username: 'other', password: 'x' } }));
    const taken = await patch(id, { credentials: { username: 'other', password: 'y' } });
    expect(taken).toMatchObject({ status: 409, body: { code: 'integration_exists', integration_id: other.id } });
    expect(await passwordOf(id)).toBe(canary);
    const moved = await patch(id, { credentials: { username: 'third', password: 'y' } });
    const registry = { username: 'robot$team', pending_login: { username: 'third' } };
    expect(moved).toMatchObject({ status: 200, body: { registry } });
  });

  test('of the host that receives credentials also revokes, and can be undone', async () => {
    const { epoch = 0 } = await rowOf(id);
    const agreed = await patch(id, { realm: 'auth.example.org' });
    expect(agreed.body.registry).toMatchObject({ realm: 'auth.example.org' });
    expect(agreed.body.operation?.kind).toBe('verify');
    const back = await patch(id, { realm: null, repositories: ['acme/shop'] });
    expect(back.body.registry).toMatchObject({ realm: null, repositories: ['acme/shop'] });
    expect((await rowOf(id)).epoch).toBe(epoch + 2);
  });

  test.each(['169.254.169.254', '[::1]', 'localhost', 'registry.internal', 'auth.example.org:8443', 'printer'])(
    'refuses the realm %s, which Fairlead would never ask',
    async (realm) => {
      const before = await rowOf(id);
      const refusal = { status: 422, body: { code: 'host_not_allowed', errors: [{ path: 'body.realm' }] } };
      expect(await patch(id, { realm })).toMatchObject(refusal);
      expect(await post(oci({ credentials: { username: 'new', password: 'x' }, realm }))).toMatchObject(refusal);
      expect(await rowOf(id)).toEqual(before);
    },
  );

  test('of fields that a GitHub integration does not have is rejected', async () => {
    const { integrationId } = await addEverything(api.database, { orgId, projectId });
    for (const body of [
      { credentials: { password: 'x' } },
      { repositories: [] },
      { realm: null },
      { expires_at: null },
    ]) {
      expect(await patch(integrationId, body)).toMatchObject({ status: 422, body: { code: 'provider_not_supported' } });
    }
    const verify = await client.send('POST', `/v1/integrations/${integrationId}/verify`);
    expect(verify).toMatchObject({ status: 422, body: { code: 'provider_not_supported' } });
  });
});

test.each([
  ['a registry without an earlier login', async () => (await post(oci())).body.id, 'invalid_transition'],
  [
    'a registry of a cloud account',
    async () => await seed(api.database).registry({ orgId, projectId }, { auth_mode: 'cloud_account' }),
    'provider_not_supported',
  ],
] as const)('a rollback of %s is rejected', async (_, make, code) => {
  const id = await make();
  const path = `/v1/integrations/${id}/credentials/rollback`;
  const { body } = await client.send<{ code: string }>('POST', path, { kind: 'registry_password' });
  expect(body.code).toBe(code);
});

test('the deletion impact lists the apps whose images are in the registry', async () => {
  const tenant = await addEverything(api.database, { orgId, projectId });
  const path = `/v1/integrations/${tenant.registryId}`;
  await client.ask('PUT', `/v1/apps/${tenant.appId}/registry`, {
    integration_id: tenant.registryId,
    image_repository: 'acme/shop',
  });
  expect(await client.ask('GET', `${path}/impact`)).toMatchObject({ in_use: true, apps: [{ id: tenant.appId }] });
  expect(await client.send('DELETE', `${path}?if_unused=true`)).toMatchObject({
    status: 409,
    body: { code: 'integration_in_use', apps: [{ id: tenant.appId }] },
  });
  expect((await client.send('DELETE', path)).status).toBe(202);
  expect(await client.send('PATCH', path, { display_name: 'x' })).toMatchObject({ status: 409 });
  expect(await client.send('POST', `${path}/verify`)).toMatchObject({ status: 409 });
});
