import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { RegistryAccessDeps } from '../../../broker/registries/opened-registry.ts';
import { allCloudAccounts } from '../../../db/clouds/cloud-accounts.ts';
import { sealedSecrets } from '../../../db/secrets/sealed-secrets.ts';
import type { CloudKind } from '../../../domain/clouds/cloud-accounts.ts';
import type { RepositoryCheck } from '../../../domain/registries/registry-purposes.ts';
import { registryPasswordKind } from '../../../domain/registries/registry-settings.ts';
import { createGuardedFetch } from '../../../providers/egress/guarded-fetch.ts';
import { ProviderError } from '../../../providers/failure.ts';
import { type RegistryStandIn, startRegistry } from '../../../stand-ins/registry/stand-in.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { registriesAt } from '../../support/fakes/registries.ts';
import { keyring } from '../../support/hooks.ts';
import { seed } from '../../support/scenes/seed.ts';

const password = 'a-password-of-the-cloud';
const hosts = {
  ecr: '123456789012.dkr.ecr.eu-west-1.amazonaws.com',
  gar: 'europe-west1-docker.pkg.dev',
  acr: 'acmeshop.azurecr.io',
};
const kinds: Record<keyof typeof hosts, CloudKind> = { ecr: 'aws', gar: 'gcp', acr: 'azure' };
const username = 'robot';

let database: TestDatabase;
let registry: RegistryStandIn;
/** The calls to the clouds, and the answers that replace theirs. */
const asked: [string, unknown][] = [];
let refusal: ProviderError | undefined;
let permissions: RepositoryCheck[] = [];

/** Every host is the stand-in. */
const fetch: RegistryAccessDeps['fetch'] = () => {
  const guarded = createGuardedFetch({ allowedHosts: [{ origin: registry.url }], timeoutMs: 2_000, maxBytes: 65_536 });
  return (url, init) => {
    const { pathname, search } = new URL(url);
    return guarded(new URL(pathname + search, registry.url), init);
  };
};

async function note<Answer>(name: string, wish: unknown, answer: Answer): Promise<Answer> {
  asked.push([name, wish]);
  if (refusal) throw refusal;
  return answer;
}

const credential = (host: string) => ({
  host,
  username,
  password,
  expiresAt: Date.now() + 600_000,
  effective: { repositories: '*' as const, actions: [], narrowedTo: 'identity' as const },
});

const clouds: Pick<RegistryAccessDeps, 'clouds' | 'aws' | 'gcp' | 'azure'> = {
  clouds: {
    aws: async () => ({ mode: 'ambient', accountId: '123456789012' }),
    gcp: async () => ({ mode: 'service_account_key', clientEmail: 'x', privateKey: 'y' }),
    azure: async () => ({ mode: 'client_secret', tenantId: 't', clientId: 'c', cloud: 'public', clientSecret: 's' }),
  },
  aws: {
    identity: (_, wishes) => note('identity', wishes, { accountId: '123456789012', arn: 'arn:aws:iam::x' }),
    ecrCredential: ({ host, repositories, actions }) => note('ecr', { repositories, actions }, credential(host)),
  },
  gcp: {
    proveAccess: async () => note('gcp access', {}, undefined),
    garCredential: (_, { host, actions }) => note('gar', { actions }, credential(host)),
    testPermissions: (_, { repositories }) => note('gar permissions', { repositories }, permissions),
  },
  azure: {
    acrCredential: (_, { host, actions }) => note('acr', { actions }, credential(host)),
    testPermissions: (_, { repositories }) => note('acr permissions', { repositories }, permissions),
  },
};

beforeAll(async () => {
  const access = [{ repository: 'acme/*', actions: ['pull' as const] }];
  [database, registry] = await Promise.all([
    openTestDatabase(),
    startRegistry({ users: { [username]: { password, access } }, denial: 403 }),
  ]);
});
afterAll(async () => {
  await registry?.close();
  await database?.drop();
});
beforeEach(() => {
  asked.length = 0;
  refusal = undefined;
  permissions = [];
});
afterEach(() => registry.heal());

const verify: ReturnType<typeof registriesAt>['verify'] = (id, patience) =>
  registriesAt(database, [], { ...clouds, fetch }).verify(id, patience);

async function connect(kind: keyof typeof hosts | 'oci', repositories: string[]): Promise<string> {
  const where = await seed(database).org();
  const host = kind === 'oci' ? 'registry.example.com' : hosts[kind];
  registry.settings.realm = `https://${host}/token`;
  const settings = { registry: host, repositories, ...(kind === 'oci' && { username }) };
  const row = { kind, host_url: `https://${host}`, settings: JSON.stringify(settings), epoch: 7 };
  if (kind === 'oci') return seed(database).registry(where, row);
  const account = await database.write((trx) =>
    allCloudAccounts(trx).insert({
      ...where,
      kind: kinds[kind],
      authMode: 'any',
      displayName: 'Production',
      config: {},
      createdBy: 'system',
    }),
  );
  return seed(database).registry(where, { ...row, auth_mode: 'cloud_account', cloud_account_id: account.id });
}

const store = (integrationId: string) =>
  database.write((trx) => sealedSecrets(trx, keyring).put({ integrationId }, null, registryPasswordKind, password));
const check = (action: string, outcome: string, code?: string) => ({
  repository: 'acme/shop',
  action,
  outcome,
  ...(code && { code }),
});
const both = ['pull', 'push'];

describe('of a cloud’s registry', () => {
  test('asks AWS for the identity in the registry’s region, and the registry what its credential may do', async () => {
    registry.settings.auth = 'basic';
    const id = await connect('ecr', ['acme/shop']);
    expect(await verify(id)).toEqual({
      login: { ok: true },
      realm: undefined,
      version: null,
      purposes: ['pull', 'push'],
      checks: [check('pull', 'allowed'), check('push', 'denied', 'push_denied')],
      epoch: 7,
      cloudEpoch: 0,
      repositories: ['acme/shop'],
    });
    expect(asked).toEqual([
      ['identity', { region: 'eu-west-1' }],
      ['ecr', { repositories: ['acme/shop'], actions: both }],
    ]);
    registry.settings.auth = 'bearer';
  });

  test.each(['gar', 'acr'] as const)(
    'asks %s what is allowed, and its registry whether the login works',
    async (kind) => {
      permissions = [
        { repository: 'acme/shop', action: 'pull', outcome: 'allowed' },
        { repository: 'acme/shop', action: 'push', outcome: 'denied', code: 'permission_missing' },
      ];
      const id = await connect(kind, ['acme/shop']);
      registry.ledger.length = 0;
      expect(await verify(id)).toMatchObject({ login: { ok: true }, realm: hosts[kind], checks: permissions });
      expect(asked).toEqual([
        // Other tenants of this Fairlead are kept out, or nothing is said.
        ...(kind === 'gar' ? [['gcp access', {}]] : []),
        [kind, { actions: both }],
        [`${kind} permissions`, { repositories: ['acme/shop'] }],
      ]);
      expect(new Set(registry.ledger.map(({ path }) => path))).toEqual(new Set(['/v2/', '/token']));
    },
  );

  test('reports a rejection, but for a new account only after AWS had time to know it', async () => {
    const id = await connect('ecr', []);
    const message = 'AWS does not let us take on the role';
    refusal = new ProviderError({ provider: 'aws', code: 'assume_role_refused', message, settling: true });
    expect(await verify(id)).toMatchObject({ login: { ok: false, code: 'assume_role_refused', message }, checks: [] });
    await expect(verify(id, { isSettled: false })).rejects.toBe(refusal);
    refusal = new ProviderError({ provider: 'aws', code: 'account_mismatch', message });
    expect(await verify(id, { isSettled: false })).toMatchObject({ login: { code: 'account_mismatch' } });
  });

  test.each(['unavailable', 'network', 'timeout', 'rate_limited', 'clock_skew', 'issuer_not_public'] as const)(
    'does not take %s as a result',
    async (code) => {
      const id = await connect('ecr', []);
      refusal = new ProviderError({ provider: 'aws', code, message: 'No' });
      await expect(verify(id)).rejects.toBe(refusal);
    },
  );
});

describe('of a registry with a password', () => {
  test('rejects a registry that is no longer stored, without any call', async () => {
    const id = await connect('oci', ['acme/shop']);
    registry.ledger.length = 0;
    expect(await verify(id)).toMatchObject({ login: { ok: false, code: 'credentials_missing' }, checks: [] });
    expect(registry.ledger).toEqual([]);
  });

  test('retries first when there is no answer in the middle, and leaves the rest unproven at last', async () => {
    const id = await connect('oci', ['acme/shop']);
    await store(id);
    registry.fail({ path: /uploads/, kind: 'answer', status: 500 });
    await expect(verify(id, { isLast: false })).rejects.toMatchObject({ code: 'unavailable' });
    expect(await verify(id, { isLast: true })).toMatchObject({
      login: { ok: true },
      checks: [check('pull', 'allowed'), check('push', 'unproven', 'unavailable')],
    });
  });

  test('passes on the retry time that the registry names', async () => {
    const id = await connect('oci', []);
    await store(id);
    registry.fail({ path: /token/, kind: 'answer', status: 429, headers: { 'retry-after': '17' } });
    await expect(verify(id)).rejects.toMatchObject({ code: 'secondary_limited', retryAfterMs: 17_000 });
  });

  test('returns nothing for a deleted integration', async () => {
    const found = await verify('int_0000000000000000000000000a').catch((error: unknown) => error);
    expect(found).toMatchObject({ code: 'gone' });
  });
});
