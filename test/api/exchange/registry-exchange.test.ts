import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createImageCredentials } from '../../../broker/exchange/image-credentials.ts';
import type { CredentialWish } from '../../../broker/registries/registry-access.ts';
import { deleteIntegration } from '../../../db/deletion/integration-deletion.ts';
import { newId } from '../../../domain/ids.ts';
import type { RegistryCredential } from '../../../domain/registries/registry-purposes.ts';
import { ProviderError } from '../../../providers/failure.ts';
import { startApi, type TestApi } from '../../support/api.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { keyring } from '../../support/hooks.ts';
import { seed } from '../../support/scenes/seed.ts';
import { addEverything, addOrg, addProject, addToken, type Tenant } from '../../support/scenes/tenants.ts';

type Given = {
  code?: string;
  provider_code?: string;
  token?: string;
  username?: string;
  password?: string;
  env?: Record<string, string>;
  docker_config?: { auths: Record<string, { auth: string }> };
  expires_at: number;
  lease_id: string;
  effective_scope: {
    host: string;
    repositories: string[] | '*';
    actions: string[];
    narrowed_to: string;
    static: boolean;
  };
};

/** The stand-in for a registry's provider: the requests it got, and its response. */
const asked: (CredentialWish & { integrationId: string })[] = [];
let answer: (wish: CredentialWish) => Promise<Partial<RegistryCredential>>;

let database: TestDatabase;
let api: TestApi;
let mine: Tenant;
let client: ReturnType<TestApi['as']>;

beforeAll(async () => {
  database = await openTestDatabase();
  const access = {
    credential: async (integrationId: string, wish: CredentialWish): Promise<RegistryCredential> => {
      asked.push({ ...wish, integrationId });
      const { repositories, purpose } = wish;
      return {
        host: 'registry.example.com',
        username: 'robot$team',
        password: randomBytes(18).toString('hex'),
        expiresAt: Date.now() + 3_600_000,
        effective: {
          repositories,
          actions: purpose === 'push' ? ['pull', 'push'] : ['pull'],
          narrowedTo: 'repository',
        },
        ...(await answer(wish)),
      };
    },
  };
  api = await startApi({ database, imageCredentials: createImageCredentials({ database, keyring, access }) });
});
afterAll(() => api?.stop());

beforeEach(async () => {
  asked.length = 0;
  answer = async () => ({});
  const orgId = await addOrg(database);
  mine = await addEverything(database, { orgId, projectId: await addProject(database, orgId) });
  client = api.as((await addToken(database, mine)).secret);
});

const exchange = (body: object, who = client) =>
  who.send<Given>('POST', `/v1/projects/${mine.projectId}/credentials/exchange`, body);
const setRegistry = (image = 'acme/shop') =>
  client.send('PUT', `/v1/apps/${mine.appId}/registry`, {
    integration_id: mine.registryId,
    image_repository: image,
  });
const build = (changes: object) => database.write((trx) => trx('builds').where({ id: mine.buildId }).update(changes));
const leaseOf = async (id: string) =>
  (await client.ask<{ id: string }[]>('GET', `/v1/leases?project_id=${mine.projectId}`)).find((one) => one.id === id);
const buildClient = async () =>
  api.as((await addToken(database, { ...mine, narrowedTo: { appId: mine.appId, buildId: mine.buildId } })).secret);

describe('a credential for images', () => {
  test('covers the requested repositories and purpose, and the lease records its scope', async () => {
    const given = await exchange({ purpose: 'push', repositories: ['acme/shop'] });
    expect(given.status).toBe(200);
    expect(given.headers.get('cache-control')).toBe('no-store');
    expect(given.body).toMatchObject({
      username: 'robot$team',
      effective_scope: {
        host: 'registry.example.com',
        repositories: ['acme/shop'],
        actions: ['pull', 'push'],
        narrowed_to: 'repository',
        static: false,
      },
    });
    expect(given.body.expires_at * 1000).toBeLessThanOrEqual(Date.now() + 3_600_000);
    expect(await leaseOf(given.body.lease_id)).toMatchObject({
      integration_id: mine.registryId,
      purpose: 'push',
      scope: { repositories: ['acme/shop'], permissions: { images: 'pull,push' } },
      status: 'active',
    });
    expect(asked).toMatchObject([{ integrationId: mine.registryId, purpose: 'push', repositories: ['acme/shop'] }]);
  });

  test('for one host is never given for another host, and for an app covers its image', async () => {
    await setRegistry();
    const own = await exchange({ purpose: 'pull', app_id: mine.appId, host: 'https://registry.example.com/' });
    expect(own.body.effective_scope).toMatchObject({ host: 'registry.example.com', repositories: ['acme/shop'] });
    const narrow = api.as((await addToken(database, { ...mine, narrowedTo: { appId: mine.appId } })).secret);
    for (const who of [client, narrow]) {
      const other = await exchange({ purpose: 'pull', app_id: mine.appId, host: 'evil.example.com' }, who);
      expect(other).toMatchObject({ status: 422, body: { code: 'no_integration' } });
    }
  });

  test('has the format that the request names', async () => {
    answer = async ({ bearer }) => (bearer ? { bearer: 'a token of the registry’s own' } : {});
    const as = async (format: string) => (await exchange({ purpose: 'pull', repositories: ['a/b'], format })).body;
    const { username, password } = await as('basic');
    const auth = Buffer.from(`${username}:${password}`).toString('base64');
    const config = { auths: { 'registry.example.com': { auth } } };
    expect((await as('docker_config')).docker_config).toEqual(config);
    expect((await as('env')).env).toEqual({
      REGISTRY_HOST: 'registry.example.com',
      REGISTRY_USERNAME: username,
      REGISTRY_PASSWORD: password,
      DOCKER_AUTH_CONFIG: JSON.stringify(config),
    });
    expect((await as('bearer')).token).toBe('a token of the registry’s own');
    expect(asked.map(({ bearer }) => bearer)).toEqual([false, true]);
  });

  test('is created once for two hundred concurrent requests', { timeout: 120_000 }, async () => {
    answer = async () => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      return {};
    };
    const all = await Promise.all(
      Array.from({ length: 200 }, () => exchange({ purpose: 'pull', repositories: ['a/b'] })),
    );
    expect(new Set(all.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(all.map(({ body }) => body.password)).size).toBe(1);
    expect(asked).toHaveLength(1);
    expect(await database.reader('leases').where({ integration_id: mine.registryId })).toHaveLength(200);
  });

  test('is never stored in plain text', async () => {
    const { password = '' } = (await exchange({ purpose: 'pull', repositories: ['a/b'] })).body;
    expect(password).not.toBe('');
    for (const table of ['minted_tokens', 'leases', 'audit_events', 'idempotency_keys'] as const) {
      expect(JSON.stringify(await database.reader(table)), table).not.toContain(password);
    }
  });

  test('says so if it is broader than the request', async () => {
    answer = async () => ({
      expiresAt: null,
      effective: { repositories: '*', actions: ['pull', 'push'], narrowedTo: 'identity', note: 'The stored password' },
    });
    const { effective_scope: scope, lease_id: id } = (await exchange({ purpose: 'pull', repositories: ['a/b'] })).body;
    expect(scope).toMatchObject({
      repositories: '*',
      narrowed_to: 'identity',
      static: true,
      note: 'The stored password',
    });
    expect(await leaseOf(id)).toMatchObject({
      scope: { repositories: ['*'], narrowed: 'identity' },
    });
  });

  test.each([
    ['a name with a tag', { repositories: ['acme/shop:latest'] }, 400, 'invalid_request'],
    ['the host of another registry', { repositories: ['ghcr.io/Acme/shop'] }, 400, 'invalid_request'],
    ['a bearer token without a repository', { format: 'bearer' }, 400, 'invalid_request'],
    ['an unknown registry', { host: 'ghcr.io' }, 422, 'no_integration'],
    ['a Git host’s integration', { integration_id: 'github' }, 422, 'provider_not_supported'],
  ])('is rejected for %s', async (_, body, status, code) => {
    const named = 'integration_id' in body ? { integration_id: mine.integrationId } : body;
    expect(await exchange({ purpose: 'pull', ...named })).toMatchObject({ status, body: { code } });
    expect(asked).toEqual([]);
  });

  test.each([
    ['assume_role_refused', 422, 'credential_rejected'],
    ['audience_unknown', 422, 'credential_rejected'],
    ['region_disabled', 422, 'permission_missing'],
    ['registry_not_found', 422, 'repository_not_reachable'],
    ['unavailable', 502, 'provider_unavailable'],
  ] as const)('reports the provider’s refusal: %s', async (refused, status, code) => {
    answer = async () => {
      throw new ProviderError({ provider: 'aws', code: refused, message: 'The provider refuses it' });
    };
    expect(await exchange({ purpose: 'pull', repositories: ['a/b'] })).toMatchObject({
      status,
      body: { code, provider_code: refused },
    });
    expect(await database.reader('leases').where({ integration_id: mine.registryId })).toEqual([]);
  });

  test.each(['pending', 'reauth_required', 'suspended', 'disconnected'] as const)(
    'names the integration when it is %s, and says what to do',
    async (status) => {
      const id = await seed(database).registry(mine, {
        host_url: 'https://broken.example.com',
        identity_key: `broken ${status}`,
        display_name: 'Broken registry',
        status,
        status_reason: status === 'reauth_required' ? 'credentials_rejected' : null,
      });
      const refused = await exchange({ purpose: 'pull', repositories: ['a/b'], host: 'broken.example.com' });
      expect(refused).toMatchObject({
        status: 409,
        body: {
          code: 'integration_unusable',
          integration_id: id,
          state: status,
          detail: expect.stringContaining(`The integration Broken registry has the status ${status}`),
          next_action: { text: expect.stringMatching(/.{20}/) },
        },
      });
      const { detail, next_action: step } = refused.body as unknown as {
        detail: string;
        next_action: { text: string };
      };
      expect(detail).toContain(step.text);
      await database.write((trx) => trx('integrations').where({ id }).update({ status: 'deleting' }));
      const gone = await exchange({ purpose: 'pull', repositories: ['a/b'], host: 'broken.example.com' });
      expect(gone).toMatchObject({ status: 422, body: { code: 'no_integration' } });
    },
  );

  test('is chosen by its host, and the response lists the integrations if several fit', async () => {
    const other = await seed(database).registry(mine, { host_url: 'https://ghcr.io', identity_key: 'other' });
    const several = await exchange({ purpose: 'pull', repositories: ['a/b'] });
    expect(several).toMatchObject({ status: 409, body: { code: 'ambiguous_integration' } });
    const given = await exchange({ purpose: 'pull', repositories: ['a/b'], host: 'https://ghcr.io/' });
    expect(given.status).toBe(200);
    expect(asked.map(({ integrationId }) => integrationId)).toEqual([other]);
  });
});

describe('an app’s registry', () => {
  test('is where its builds push and its deployments pull', async () => {
    expect(await setRegistry('registry.example.com/acme/shop')).toMatchObject({
      status: 200,
      body: {
        registry: { integration_id: mine.registryId, image_repository: 'acme/shop' },
        registry_status: 'connected',
      },
    });
    const runner = await buildClient();
    expect((await exchange({ purpose: 'push' }, runner)).body.effective_scope.repositories).toEqual(['acme/shop']);
    const pulled = await exchange({ purpose: 'pull', app_id: mine.appId });
    expect(pulled.body.effective_scope.repositories).toEqual(['acme/shop']);
    const beyond = await exchange({ purpose: 'pull', repositories: ['acme/other'] }, runner);
    expect(beyond).toMatchObject({ status: 422, body: { code: 'repository_not_reachable' } });
    const elsewhere = await exchange({ purpose: 'pull', integration_id: mine.integrationId }, runner);
    expect(elsewhere).toMatchObject({ status: 422, body: { code: 'repository_not_reachable' } });
  });

  test('must be set before a build gets credentials, and rejects a name with a tag', async () => {
    const missing = await exchange({ purpose: 'push' }, await buildClient());
    expect(missing).toMatchObject({ status: 409, body: { code: 'registry_missing' } });
    const wrong = await setRegistry('acme/shop:latest');
    expect(wrong).toMatchObject({ status: 422, body: { code: 'repository_not_reachable' } });
  });

  test('that is deleted fails both purposes until the app gets another one', async () => {
    await setRegistry();
    const before = await exchange({ purpose: 'push', app_id: mine.appId });
    expect(before.status).toBe(200);
    await database.write((trx) =>
      deleteIntegration(trx, { ...mine, id: mine.registryId, revocation: 'auto', audit: async () => {} }),
    );
    for (const purpose of ['push', 'pull']) {
      const gone = await exchange({ purpose, app_id: mine.appId });
      expect(gone, purpose).toMatchObject({ status: 409, body: { code: 'integration_deleted' } });
    }
    expect(await client.ask('GET', `/v1/apps/${mine.appId}`)).toMatchObject({ registry_status: 'disconnected' });
    const next = await seed(database).registry(mine);
    await client.ask('PUT', `/v1/apps/${mine.appId}/registry`, { integration_id: next, image_repository: 'acme/shop' });
    for (const purpose of ['push', 'pull']) {
      expect((await exchange({ purpose, app_id: mine.appId })).status, purpose).toBe(200);
    }
  });

  test('rejects pushes of unapproved code, and gives its pulls only a separate read-only credential', async () => {
    await setRegistry();
    await build({ fork: true });
    const runner = await buildClient();
    const push = await exchange({ purpose: 'push' }, runner);
    expect(push).toMatchObject({ status: 403, body: { code: 'build_not_vouched' } });
    const pull = await exchange({ purpose: 'pull' }, runner);
    expect(pull.status).toBe(200);
    // Other callers have another credential.
    expect((await exchange({ purpose: 'pull', app_id: mine.appId })).body.password).not.toBe(pull.body.password);
    await database.write((trx) => trx('integrations').where({ id: mine.registryId }).update({ epoch: 1 }));
    answer = async () => ({ effective: { repositories: '*', actions: ['pull', 'push'], narrowedTo: 'identity' } });
    const broad = await exchange({ purpose: 'pull' }, runner);
    expect(broad).toMatchObject({ status: 403, body: { code: 'build_not_vouched' } });
  });
});

describe('the minimum lifetime', () => {
  test('never rejects a stored password, which does not expire', async () => {
    answer = async () => ({ expiresAt: null });
    for (const min_ttl of [3_600, 7_200]) {
      const given = await exchange({ purpose: 'pull', repositories: ['a/b'], min_ttl });
      expect(given.status).toBe(200);
      expect(given.body.expires_at * 1000).toBeGreaterThan(Date.now() + min_ttl * 1000);
    }
  });

  test('applies to each request: one caller’s longer credential is not given to others', async () => {
    answer = async ({ minTtlMs = 3_600_000 }) => ({ expiresAt: Date.now() + minTtlMs + 60_000 });
    const ask = async (min_ttl?: number) =>
      (await exchange({ purpose: 'pull', repositories: ['a/b'], ...(min_ttl && { min_ttl }) })).body;
    const [long, usual, again] = [await ask(40_000), await ask(), await ask(3_000)];
    expect(long.expires_at * 1000).toBeGreaterThan(Date.now() + 40_000_000);
    expect(usual.expires_at * 1000).toBeLessThan(Date.now() + 3_700_000);
    expect(again.password).toBe(usual.password);
  });
});

describe('while an integration is being deleted', () => {
  test('twenty callers get nothing after the deletion’s response', async () => {
    answer = async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return {};
    };
    let gone = false;
    const late: number[] = [];
    const callers = Array.from({ length: 20 }, async (_, index) => {
      for (let round = 0; round < 10; round += 1) {
        const asking = gone;
        const { status } = await exchange({
          purpose: 'pull',
          integration_id: mine.registryId,
          repositories: [`a/b${index}-${round}`],
        });
        if (asking) late.push(status);
      }
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    await client.send('DELETE', `/v1/integrations/${mine.registryId}`);
    gone = true;
    await Promise.all(callers);
    expect(late.length).toBeGreaterThan(20);
    expect(new Set(late)).toEqual(new Set([409]));
  });

  test('a registry’s refusal at that moment is reported as the deletion', async () => {
    answer = async () => {
      await client.send('DELETE', `/v1/integrations/${mine.registryId}`);
      throw new ProviderError({ provider: 'registry', code: 'credentials_missing', message: 'There is no password' });
    };
    const late = await exchange({ purpose: 'pull', repositories: ['a/b'] });
    expect(late).toMatchObject({ status: 409, body: { code: 'integration_deleted' } });
  });

  test('a changed cloud account issues only credentials that were created with its new access', async () => {
    const id = newId('ca');
    await database.write(async (trx) => {
      const now = Date.now();
      await trx('cloud_accounts').insert({
        id,
        org_id: mine.orgId,
        project_id: null,
        kind: 'aws',
        auth_mode: 'assume_role',
        display_name: 'aws',
        config: '{}',
        status: 'active',
        status_reason: null,
        checked_at: null,
        created_by: 'system',
        revision: 1,
        epoch: 0,
        deleted_at: null,
        created_at: now,
        updated_at: now,
      });
      await trx('integrations').where({ id: mine.registryId }).update({ cloud_account_id: id });
    });
    const body = { purpose: 'pull', repositories: ['a/b'] };
    const first = (await exchange(body)).body.password;
    expect((await exchange(body)).body.password).toBe(first);
    const change = () => database.write((trx) => trx('cloud_accounts').where({ id }).update({ epoch: 1 }));
    await change();
    expect((await exchange(body)).body.password).not.toBe(first);
    expect(asked).toHaveLength(2);
    let changes = 1;
    answer = async () => {
      if (changes > 0) await database.write((trx) => trx('cloud_accounts').where({ id }).increment('epoch'));
      changes -= 1;
      return {};
    };
    const atTheSameTime = await exchange({ purpose: 'pull', repositories: ['c/d'] });
    expect(atTheSameTime.status).toBe(200);
    expect(asked).toHaveLength(4);
    changes = 10;
    const changedAgain = await exchange({ purpose: 'pull', repositories: ['e/f'] });
    expect(changedAgain).toMatchObject({ status: 503, body: { code: 'unavailable' } });
    expect(asked).toHaveLength(7);
    const calls = asked.length;
    for (const status of ['pending', 'action_required'] as const) {
      await database.write((trx) => trx('cloud_accounts').where({ id }).update({ status }));
      expect(await exchange(body), status).toMatchObject({
        status: 409,
        body: { code: 'integration_unusable', cloud_account_id: id, cloud_account_status: status },
      });
    }
    expect(asked).toHaveLength(calls);
  });
});
