import { SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Azure, createAzure } from '../../../providers/clouds/azure/azure.ts';
import type { AzureAccess } from '../../../providers/clouds/azure/azure-token.ts';
import { ProviderError } from '../../../providers/failure.ts';
import { type AzureStandIn, startAzure } from '../../../stand-ins/azure/stand-in.ts';
import { type App, insertApp, insertRegistry, type Registry } from '../../../stand-ins/azure/state.ts';
import { fetchTo, loopbackCertificate } from '../../support/programs/cloud-tls.ts';
import { rsaKeyObjects } from '../../support/rsa-keys.ts';

const host = 'acmeprod.azurecr.io';
const tenantId = '11111111-2222-4333-8444-555555555555';
const clientId = '99999999-8888-4777-8666-555555555555';
const secret = `8Q~ $'"(:secret`;
const minute = 60_000;
const issuer = rsaKeyObjects();
const trusted = {
  issuer: 'https://fairlead.test',
  subject: 'org:org_1',
  audience: 'api://AzureADTokenExchange',
  publicKey: issuer.publicKey,
};

let cloud: AzureStandIn;
let azure: Azure;
let app: App;
let registry: Registry;

beforeAll(async () => {
  cloud = await startAzure({ certificate: loopbackCertificate });
});
afterAll(() => cloud.close());

beforeEach(() => {
  app = insertApp(cloud.state, tenantId, clientId, {
    secrets: [{ value: secret, endsAt: Date.now() + 60 * minute }],
    federated: [trusted],
  });
  registry = insertRegistry(cloud.state, host, { tenantId, roles: new Map([[clientId, ['pull', 'push']]]) });
  azure = createAzure(deps());
});

afterEach(() => {
  cloud.faults.clear();
  cloud.ledger.length = 0;
  cloud.clock.offsetMs = 0;
  cloud.state.lives = { refresh: 3 * 3600, access: 4500 };
  for (const part of [cloud.state.tenants, cloud.state.registries, cloud.state.tokens]) part.clear();
});

function deps(timeoutMs = 5000) {
  const endpoints = { entra: cloud.url, registry: cloud.url };
  return { fetch: fetchTo(cloud.url), timeoutMs, now: Date.now, endpoints };
}

const withSecret: AzureAccess = { mode: 'client_secret', tenantId, clientId, cloud: 'public', clientSecret: secret };

function federated(claims: { iss?: string; sub?: string; aud?: string; key?: typeof issuer } = {}): AzureAccess {
  const { iss = trusted.issuer, sub = trusted.subject, aud, key = issuer } = claims;
  return {
    mode: 'federated',
    tenantId,
    clientId,
    cloud: 'public',
    assertion: (audience) =>
      new SignJWT({ sub })
        .setProtectedHeader({ alg: 'RS256' })
        .setIssuer(iss)
        .setAudience(aud ?? audience)
        .setIssuedAt()
        .setExpirationTime('10m')
        .sign(key.privateKey),
  };
}

const push = { host, repositories: ['team/web', 'team/api'], actions: ['push' as const], minTtlMs: minute };
const pull = { ...push, repositories: ['team/web'], actions: ['pull' as const] };
const posted = () => cloud.ledger.filter(({ method }) => method === 'POST');

async function failureOf(work: Promise<unknown>): Promise<ProviderError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ProviderError);
  return error as ProviderError;
}
const codeOf = async (work: Promise<unknown>) => (await failureOf(work)).code;

describe.each([
  ['a client secret', () => withSecret],
  ['a token of ours', () => federated()],
])('with %s', (_, access) => {
  test('returns a token for the named repositories only, with its expiry', async () => {
    const credential = await azure.acrCredential(access(), push);

    expect(credential).toMatchObject({
      host,
      username: '00000000-0000-0000-0000-000000000000',
      bearer: credential.password,
      effective: { repositories: ['team/web', 'team/api'], actions: ['pull', 'push'], narrowedTo: 'repository' },
    });
    expect(posted().at(-1)?.form.getAll('scope')).toEqual([
      'repository:team/web:pull,push',
      'repository:team/api:pull,push',
    ]);
    expect(Math.abs((credential.expiresAt ?? 0) - (Date.now() + 75 * minute))).toBeLessThan(10_000);
  });
});

test('proves the access without a registry, with a token that no caller gets', async () => {
  cloud.state.registries.clear();
  await expect(azure.proveAccess(federated())).resolves.toBeUndefined();

  app.federated = [];
  expect(await codeOf(azure.proveAccess(federated()))).toBe('federation_refused');
});

test('asks for the registries’ own audience first, and for another if the tenant does not know it', async () => {
  registry.takesArmTokens = false;
  await azure.acrCredential(withSecret, pull);
  expect([...cloud.state.tokens.values()].map(({ audience }) => audience)).toEqual([
    'https://containerregistry.azure.net',
  ]);

  const tenant = cloud.state.tenants.get(tenantId);
  if (tenant) tenant.knowsRegistries = false;
  registry.takesArmTokens = true;
  cloud.state.tokens.clear();
  await azure.acrCredential(withSecret, pull);
  expect([...cloud.state.tokens.values()].map(({ audience }) => audience)).toEqual(['https://management.azure.com']);
});

test('grants no push to a pull credential', async () => {
  const { password, effective } = await azure.acrCredential(withSecret, pull);

  const { access } = JSON.parse(Buffer.from(password.split('.')[1] ?? '', 'base64url').toString());
  expect(access).toEqual([{ type: 'repository', name: 'team/web', actions: ['pull'] }]);
  expect(effective.actions).toEqual(['pull']);
});

test('returns the app’s own access without repositories, and says so', async () => {
  const { effective, expiresAt } = await azure.acrCredential(withSecret, { host, actions: ['pull'], minTtlMs: minute });

  expect(effective).toMatchObject({ repositories: '*', actions: ['pull', 'push'], narrowedTo: 'identity' });
  expect((expiresAt ?? 0) - Date.now()).toBeGreaterThan(170 * minute);
});

test('uses the Entra of a sovereign cloud, and sends its tokens to no other registry', async () => {
  for (const [name, suffix, authority, audience] of [
    ['china', 'cn', 'https://login.chinacloudapi.cn', 'api://AzureADTokenExchangeChina'],
    ['usgov', 'us', 'https://login.microsoftonline.us', 'api://AzureADTokenExchangeUSGov'],
  ] as const) {
    const there = await startAzure({ certificate: loopbackCertificate, authority });
    insertApp(there.state, tenantId, clientId, { federated: [{ ...trusted, audience }] });
    insertRegistry(there.state, `acmeprod.azurecr.${suffix}`, { tenantId, roles: new Map([[clientId, ['pull']]]) });
    const endpoints = { entra: there.url, registry: there.url };
    const sovereign = createAzure({ fetch: fetchTo(there.url), timeoutMs: 5000, now: Date.now, endpoints });

    const access = { ...federated(), cloud: name };
    const credential = await sovereign.acrCredential(access, { ...pull, host: `acmeprod.azurecr.${suffix}` });
    expect(credential.host).toBe(`acmeprod.azurecr.${suffix}`);
    there.ledger.length = 0;
    expect(await codeOf(sovereign.acrCredential(access, pull))).toBe('validation');
    expect(there.ledger).toEqual([]);
    await there.close();
  }
});

test('has a code for each rejection by Entra, and repeats no secret', async () => {
  const other = rsaKeyObjects();
  const unknown = '12345678-0000-4000-8000-000000000000';
  const cases: [string, AzureAccess][] = [
    ['client_secret_rejected', { ...withSecret, clientSecret: '8Q~other-secret' }],
    ['tenant_not_found', { ...withSecret, tenantId: unknown }],
    ['app_not_found', { ...withSecret, clientId: unknown }],
    ['federation_refused', federated({ iss: 'https://elsewhere.test' })],
    ['federation_refused', federated({ sub: 'org:org_2' })],
    ['federation_refused', federated({ aud: 'sts.amazonaws.com' })],
    ['federation_refused', federated({ key: other })],
    ['validation', { ...withSecret, tenantId: 'common/../x' }],
  ];

  for (const [code, access] of cases) {
    const failure = await failureOf(azure.acrCredential(access, push));
    expect(failure).toMatchObject({ provider: 'azure', code });
    expect(`${failure.message}${JSON.stringify(failure)}`).not.toMatch(/eyJ|secret`|8Q~|Trace/);
  }
  app.secrets = [{ value: secret, endsAt: Date.now() - 1 }];
  expect(await codeOf(azure.acrCredential(withSecret, push))).toBe('client_secret_expired');
  cloud.clock.offsetMs = 30 * minute;
  expect(await codeOf(azure.acrCredential(federated(), push))).toBe('clock_skew');
});

test('names the missing roles of an app', async () => {
  registry.roles.clear();

  const failure = await failureOf(azure.acrCredential(withSecret, push));

  expect(failure.code).toBe('registry_role_missing');
  expect(failure.message).toContain('AcrPush');
  expect(failure.message).toContain('Container Registry Repository Reader or Writer');
});

test('finds a permission that the registry left out before any caller uses the token', async () => {
  registry.roles.set(clientId, ['pull']);

  const failure = await failureOf(azure.acrCredential(withSecret, push));

  expect(failure).toMatchObject({ code: 'registry_role_missing', settling: true });
  expect(failure.message).toContain('push to team/web');
  expect((await azure.acrCredential(withSecret, pull)).effective.actions).toEqual(['pull']);
});

test('tells pull from push for each repository', async () => {
  registry.abac = true;
  registry.repositoryRoles.set(
    clientId,
    new Map([
      ['team/web', ['pull', 'push']],
      ['team/api', ['pull']],
    ]),
  );

  const checks = await azure.testPermissions(withSecret, { host, repositories: ['team/web', 'team/api', 'other'] });

  const code = 'registry_role_missing';
  expect(checks).toEqual([
    { repository: 'team/web', action: 'pull', outcome: 'allowed' },
    { repository: 'team/web', action: 'push', outcome: 'allowed' },
    { repository: 'team/api', action: 'pull', outcome: 'allowed' },
    { repository: 'team/api', action: 'push', outcome: 'denied', code },
    { repository: 'other', action: 'pull', outcome: 'denied', code },
    { repository: 'other', action: 'push', outcome: 'denied', code },
  ]);
});

test('reports a missing role as a result, but not network rules or an outage', async () => {
  const asked = { host, repositories: ['team/web'] };
  registry.roles.clear();
  const checks = await azure.testPermissions(withSecret, asked);
  expect(checks.map(({ outcome }) => outcome)).toEqual(['denied', 'denied']);

  registry.letsIn = false;
  expect(await codeOf(azure.testPermissions(withSecret, asked))).toBe('network_rules');
  cloud.state.registries.clear();
  expect(await codeOf(azure.testPermissions(withSecret, asked))).toBe('registry_not_found');
  cloud.faults.add({ path: /exchange$/, kind: 'status', status: 500 });
  expect(await codeOf(azure.testPermissions(withSecret, asked))).toBe('unavailable');
});

test.each([
  ['a pause', { kind: 'status', status: 429, retryAfter: 7 }, { code: 'rate_limited', retryAfterMs: 7000 }],
  ['an outage', { kind: 'status', status: 503 }, { code: 'unavailable', status: 503 }],
  ['silence', { kind: 'hang' }, { code: 'timeout' }],
  ['a broken connection', { kind: 'reset' }, { code: 'network' }],
  ['a flood', { kind: 'status', status: 200, body: 'x'.repeat(200_000) }, { code: 'unexpected' }],
  ['a proxy’s page', { kind: 'status', status: 200, body: '<html>proxy</html>' }, { code: 'unexpected' }],
  ['a detour', { kind: 'status', status: 307, body: {} }, { code: 'unexpected' }],
] as const)('meets %s once and reports it', async (_, fault, expected) => {
  azure = createAzure(deps(fault.kind === 'hang' ? 1500 : 5000));

  for (const path of [/oauth2\/v2.0\/token$/, /oauth2\/exchange$/, /^\/oauth2\/token$/]) {
    cloud.faults.clear();
    cloud.faults.add({ path, ...fault });
    cloud.ledger.length = 0;
    expect(await failureOf(azure.acrCredential(withSecret, push))).toMatchObject(expected);
    expect(cloud.ledger.filter((entry) => path.test(entry.path)).length).toBe(1);
    expect(cloud.ledger.some((entry) => entry.path === '/elsewhere')).toBe(false);
  }
});

test('trusts Entra’s error numbers more than its status', async () => {
  const failing = (number: number) => ({ error: 'x', error_codes: [number], error_description: `AADSTS${number}: x` });
  for (const [number, status, code] of [
    [90033, 400, 'unavailable'],
    [50196, 400, 'rate_limited'],
    [53003, 400, 'policy'],
    [7000215, 500, 'client_secret_rejected'],
    [999999, 400, 'unexpected'],
  ] as const) {
    cloud.faults.clear();
    cloud.faults.add({ path: /v2.0\/token$/, kind: 'status', status, body: failing(number) });
    const failure = await failureOf(azure.acrCredential(withSecret, push));
    expect([failure.code, failure.message]).toEqual([code, expect.stringContaining(`AADSTS${number}`)]);
  }
});

test('returns no token that expires too soon or has no expiry', async () => {
  cloud.state.lives.access = 300;
  expect(await codeOf(azure.acrCredential(withSecret, { ...push, minTtlMs: 10 * minute }))).toBe('lifetime_too_short');

  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const access = [{ type: 'repository', name: 'team/web', actions: ['pull'] }];
  const body = { access_token: `${part({})}.${part({ access })}.c2ln` };
  cloud.faults.add({ path: /^\/oauth2\/token$/, kind: 'status', status: 200, body });
  expect(await codeOf(azure.acrCredential(withSecret, pull))).toBe('unexpected');
});

test('does not send a name that would widen the scope', async () => {
  const widened = { ...pull, repositories: ['team/web:pull repository:other'] };

  expect(await codeOf(azure.acrCredential(withSecret, widened))).toBe('validation');
  expect(cloud.ledger.some(({ path }) => path === '/oauth2/token')).toBe(false);
});

test('passes on errors from before the call to Entra', async () => {
  const ours = new Error('the signing key is sealed with a key that is gone');
  const access = { ...federated(), assertion: () => Promise.reject(ours) } as AzureAccess;

  await expect(azure.acrCredential(access, pull)).rejects.toBe(ours);
});
