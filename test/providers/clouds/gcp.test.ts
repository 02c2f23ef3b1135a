import { SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createGcp, type Gcp } from '../../../providers/clouds/gcp/gcp.ts';
import type { GcpAccess } from '../../../providers/clouds/gcp/gcp-token.ts';
import { ProviderError } from '../../../providers/failure.ts';
import { type GoogleStandIn, startGoogle } from '../../../stand-ins/google/stand-in.ts';
import { fetchTo, loopbackCertificate } from '../../support/programs/cloud-tls.ts';
import { rsaKeyObjects as rsa } from '../../support/rsa-keys.ts';

const provider = 'projects/123456/locations/global/workloadIdentityPools/fairlead/providers/fairlead-oidc';
const subject = 'org:org_1:project:prj_1';
const principal = `principal://${provider}/${subject}`;
const email = 'deployer@acme-prod.iam.gserviceaccount.com';
const host = 'europe-docker.pkg.dev';
const minute = 60_000;

const issuer = rsa();
const account = rsa();
const pem = account.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

let google: GoogleStandIn;
let gcp: Gcp;
/** The lifetime of our tokens in seconds. */
let subjectLives = 3600;

beforeAll(async () => {
  google = await startGoogle({ certificate: loopbackCertificate });
});
afterAll(() => google.close());

beforeEach(() => {
  const { state } = google;
  state.providers.set(provider, { issuer: 'https://fairlead.test', publicKey: issuer.publicKey });
  state.serviceAccounts.set(email, { keys: [account.publicKey], impersonators: [principal] });
  state.grants.set('acme-prod/europe/images', new Map());
  gcp = createGcp(deps());
});

afterEach(() => {
  google.faults.clear();
  google.ledger.length = 0;
  google.clock.offsetMs = 0;
  subjectLives = 3600;
  for (const part of Object.values(google.state)) part.clear();
});

function deps(more: Parameters<typeof fetchTo>[1] = {}, timeoutMs = 5000) {
  const { url } = google;
  const endpoints = { sts: url, iamCredentials: url, oauth: url, artifactRegistry: url };
  return { fetch: fetchTo(url, more), timeoutMs, now: Date.now, endpoints };
}

function federated(more: Partial<Extract<GcpAccess, { mode: 'workload_identity' }>> = {}): GcpAccess {
  return {
    mode: 'workload_identity',
    provider,
    subjectToken: (audience) =>
      new SignJWT({ sub: subject })
        .setProtectedHeader({ alg: 'RS256' })
        .setIssuer('https://fairlead.test')
        .setAudience(audience)
        .setIssuedAt()
        .setExpirationTime(`${subjectLives}s`)
        .sign(issuer.privateKey),
    strangersToken: () => expect.unreachable(),
    ...more,
  };
}

const withKey: GcpAccess = { mode: 'service_account_key', clientEmail: email, privateKey: pem };
const pull = { host, actions: ['pull' as const], minTtlMs: minute };
const push = { host, actions: ['push' as const], minTtlMs: minute };
const asked = () => google.ledger.map(({ path }) => path.replace(/.*\//, ''));

async function failureOf(work: Promise<unknown>): Promise<ProviderError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ProviderError);
  return error as ProviderError;
}
const codeOf = async (work: Promise<unknown>) => (await failureOf(work)).code;

test('gives a pool’s principal a read-only token for a pull, which expires with our token', async () => {
  subjectLives = 900;

  const credential = await gcp.garCredential(federated(), pull);

  expect(credential).toMatchObject({ host, username: 'oauth2accesstoken', bearer: credential.password });
  const held = google.state.tokens.get(credential.password);
  expect(held?.identity).toBe(principal);
  expect(held?.scopes.join()).not.toMatch(/cloud-platform(,|$)/);
  expect(Math.abs((credential.expiresAt ?? 0) - (Date.now() + 15 * minute))).toBeLessThan(10_000);
  expect(credential.effective).toMatchObject({ repositories: '*', actions: ['pull'], narrowedTo: 'identity' });
  expect(credential.effective.note).toContain('cannot be narrowed');
});

test('impersonates a service account, with a separate token for pushes', async () => {
  const credential = await gcp.garCredential(federated({ serviceAccount: email }), push);

  expect(asked()).toEqual(['token', `${email}:generateAccessToken`]);
  expect(google.state.tokens.get(credential.password)).toMatchObject({
    identity: `serviceAccount:${email}`,
    scopes: ['https://www.googleapis.com/auth/cloud-platform'],
  });
  expect(credential.effective.actions).toEqual(['pull', 'push']);
});

test('exchanges the key of a service account at Google’s own token endpoint', async () => {
  const credential = await gcp.garCredential(withKey, push);

  expect(google.state.tokens.get(credential.password)?.identity).toBe(`serviceAccount:${email}`);
  expect((credential.expiresAt ?? 0) - Date.now()).toBeGreaterThan(59 * minute - 10_000);
});

test('uses a consent as the person, without narrowing', async () => {
  google.state.clients.set('client', { secret: 'GOCSPX-secret', redirectUris: [] });
  google.state.consents.set('1//refresh', { clientId: 'client', email: 'ann@acme.test', scope: 'a b' });
  const access: GcpAccess = {
    mode: 'oauth',
    clientId: 'client',
    clientSecret: 'GOCSPX-secret',
    refreshToken: '1//refresh',
  };

  const credential = await gcp.garCredential(access, pull);

  expect(google.state.tokens.get(credential.password)?.identity).toBe('user:ann@acme.test');
  expect(credential.effective.actions).toEqual(['pull', 'push']);
  expect(await codeOf(gcp.garCredential({ ...access, clientSecret: 'other' }, pull))).toBe(
    'client_credentials_rejected',
  );
  google.state.consents.clear();
  expect(await codeOf(gcp.garCredential(access, pull))).toBe('consent_ended');
});

test('proves the access with a token that no caller gets', async () => {
  await expect(gcp.proveAccess(withKey)).resolves.toBeUndefined();

  google.state.serviceAccounts.clear();
  expect(await codeOf(gcp.proveAccess(withKey))).toBe('key_rejected');
});

test('has a reason for each rejection of the federation, and repeats no token', async () => {
  const { state } = google;
  const trusted = { issuer: 'https://fairlead.test', publicKey: issuer.publicKey };

  const messages: string[] = [];
  for (const entry of [
    { ...trusted, disabled: true },
    { ...trusted, lets: () => false },
    { ...trusted, publicKey: rsa().publicKey },
  ]) {
    state.providers.set(provider, entry);
    const failure = await failureOf(gcp.garCredential(federated(), pull));
    expect(failure).toMatchObject({ provider: 'gcp', code: 'federation_refused', status: 400 });
    messages.push(failure.message);
  }

  expect(new Set(messages).size).toBe(3);
  expect(messages.join()).not.toMatch(/eyJ|ya29/);
});

test('says that Google cannot read Fairlead’s keys, and allows a retry later', async () => {
  const body = { error: 'invalid_grant', error_description: 'Error connecting to the given credential’s issuer.' };
  google.faults.add({ path: /v1\/token$/, kind: 'status', status: 400, body });

  expect(await codeOf(gcp.garCredential(federated(), pull))).toBe('issuer_unreachable');
});

test('names a service account that may not be impersonated', async () => {
  google.state.serviceAccounts.set(email, { keys: [], impersonators: [] });
  const access = federated({ serviceAccount: email });
  expect(await failureOf(gcp.garCredential(access, push))).toMatchObject({
    code: 'impersonation_denied',
    settling: true,
  });

  const body = { error: { code: 403, details: [{ reason: 'SERVICE_DISABLED' }] } };
  google.faults.add({ path: /generateAccessToken$/, kind: 'status', status: 403, body });
  expect(await codeOf(gcp.garCredential(access, push))).toBe('api_disabled');
});

test('rejects a key that was deleted, belongs to another account or is invalid', async () => {
  const other = rsa().privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  expect(await codeOf(gcp.garCredential({ ...withKey, privateKey: other }, push))).toBe('key_rejected');

  const broken = await failureOf(gcp.garCredential({ ...withKey, privateKey: 'quoted-secret' }, push));
  expect(broken.code).toBe('key_rejected');
  expect(broken.message).not.toContain('quoted-secret');

  google.state.serviceAccounts.clear();
  expect(await codeOf(gcp.garCredential(withKey, push))).toBe('key_rejected');
});

test('does not blame the key for a wrong clock', async () => {
  google.clock.offsetMs = 30 * minute;

  expect(await codeOf(gcp.garCredential(withKey, push))).toBe('clock_skew');
});

test.each([
  ['a pause', { kind: 'status', status: 429, retryAfter: 7 }, { code: 'rate_limited', retryAfterMs: 7000 }],
  ['an outage', { kind: 'status', status: 503 }, { code: 'unavailable', status: 503 }],
  ['silence', { kind: 'hang' }, { code: 'timeout' }],
  ['a broken connection', { kind: 'reset' }, { code: 'network' }],
  ['a flood', { kind: 'status', status: 200, body: 'x'.repeat(200_000) }, { code: 'unexpected' }],
  ['no expiry', { kind: 'status', status: 200, body: { access_token: 'ya29.endless' } }, { code: 'unexpected' }],
  ['a proxy’s page', { kind: 'status', status: 200, body: '<html>proxy</html>' }, { code: 'unexpected' }],
] as const)('meets %s once and reports it', async (_, fault, expected) => {
  gcp = createGcp(deps({}, fault.kind === 'hang' ? 1500 : 5000));

  for (const access of [federated(), withKey]) {
    google.faults.clear();
    google.faults.add({ path: /token$/, ...fault });
    google.ledger.length = 0;
    expect(await failureOf(gcp.garCredential(access, push))).toMatchObject(expected);
    expect(google.ledger.length).toBe(1);
  }
});

test('returns no token that expires too soon for the caller', async () => {
  subjectLives = 600;

  const failure = await failureOf(gcp.garCredential(federated(), { ...pull, minTtlMs: 30 * minute }));

  expect(failure.code).toBe('lifetime_too_short');
  expect(failure.message).toMatch(/\b(9|10) minutes/);
});

test('asks for more than an hour if needed, and gets it if the organization allows it', async () => {
  const access = federated({ serviceAccount: email });
  const wanted = { ...push, minTtlMs: 150 * minute };
  expect(await codeOf(gcp.garCredential(access, wanted))).toBe('lifetime_too_short');

  google.state.serviceAccounts.set(email, { keys: [], impersonators: [principal], longest: 12 * 3600 });
  const { expiresAt } = await gcp.garCredential(access, wanted);
  expect((expiresAt ?? 0) - Date.now()).toBeGreaterThanOrEqual(150 * minute);
});

test('never builds a URL from a name that would change its target', async () => {
  for (const access of [
    federated({ provider: '../../evil' }),
    federated({ serviceAccount: 'x@evil.test/y?z=.gserviceaccount.com' }),
  ]) {
    expect(await codeOf(gcp.garCredential(access, pull))).toBe('validation');
  }
  for (const other of ['docker.s3nsregistry.fr', 'europe-docker.pkg.dev.evil.test', 'ghcr.io']) {
    expect(await codeOf(gcp.garCredential(federated(), { ...pull, host: other }))).toBe('validation');
  }
  expect(google.ledger).toEqual([]);
});

test('passes on errors from before the call to Google', async () => {
  const ours = new Error('the signing key is sealed with a key that is gone');
  const access = federated({ subjectToken: () => Promise.reject(ours) });

  await expect(gcp.garCredential(access, pull)).rejects.toBe(ours);
});

test('tells pull from push for each repository with one call', async () => {
  const reader = ['artifactregistry.repositories.downloadArtifacts'];
  google.state.grants.set('acme-prod/europe/images', new Map([[`serviceAccount:${email}`, reader]]));
  const repositories = ['acme-prod/images/web', 'acme-prod/images/team/api', 'acme-prod/gone/web', 'nonsense'];

  const checks = await gcp.testPermissions(withKey, { host, repositories });

  expect(checks).toEqual([
    { repository: 'acme-prod/images/web', action: 'pull', outcome: 'allowed' },
    { repository: 'acme-prod/images/web', action: 'push', outcome: 'denied', code: 'permission_missing' },
    { repository: 'acme-prod/images/team/api', action: 'pull', outcome: 'allowed' },
    { repository: 'acme-prod/images/team/api', action: 'push', outcome: 'denied', code: 'permission_missing' },
    { repository: 'acme-prod/gone/web', action: 'pull', outcome: 'denied', code: 'not_found' },
    { repository: 'acme-prod/gone/web', action: 'push', outcome: 'denied', code: 'not_found' },
    { repository: 'nonsense', action: 'pull', outcome: 'unproven', code: 'validation' },
    { repository: 'nonsense', action: 'push', outcome: 'unproven', code: 'validation' },
  ]);
  expect(asked()).toEqual(['token', 'images:testIamPermissions', 'gone:testIamPermissions']);
});

test('treats gcr.io as the repository with its name, also in a domain-scoped project', async () => {
  const writer = Object.values({ pull: 'downloadArtifacts', push: 'uploadArtifacts' });
  const grant = new Map([[`serviceAccount:${email}`, writer.map((name) => `artifactregistry.repositories.${name}`)]]);
  google.state.grants.set('acme.com:tools/europe/eu.gcr.io', grant);

  const checks = await gcp.testPermissions(withKey, { host: 'eu.gcr.io', repositories: ['acme.com/tools/web'] });

  expect(checks.map(({ outcome }) => outcome)).toEqual(['allowed', 'allowed']);
});

test('takes neither a project without the API nor an outage as a result', async () => {
  const repositories = ['acme-prod/images/web'];
  google.state.projectsWithoutApi.add('acme-prod');
  const [check] = await gcp.testPermissions(withKey, { host, repositories });
  expect(check).toMatchObject({ outcome: 'unproven', code: 'api_disabled' });

  google.faults.add({ path: /testIamPermissions$/, kind: 'reset' });
  expect(await codeOf(gcp.testPermissions(withKey, { host, repositories }))).toBe('network');
});
