import { afterEach, beforeEach, expect, test } from 'vitest';
import type { RegistryStandIn } from '../../../stand-ins/registry/stand-in.ts';
import { alice, bob, both, clientOf, hasty, startTeamRegistry } from '../../support/scenes/registry-provider.ts';

let registry: RegistryStandIn;
let other: RegistryStandIn;
beforeEach(async () => {
  [registry, other] = await Promise.all([startTeamRegistry(), startTeamRegistry()]);
});
afterEach(() => Promise.all([registry.close(), other.close()]));

const wants = { login: alice, repositories: ['team/app'], purposes: [...both] };
const refused = (code: string) => expect.objectContaining({ ok: false, code });
const secretsSeen = (one: RegistryStandIn) =>
  one.ledger.filter(({ authorization, body }) => authorization !== undefined || body !== '');
/** The same listener by another name, which counts as another host for a realm. */
const renamed = ({ url }: RegistryStandIn) => url.replace('127.0.0.1', 'localhost');

test('requests a token with GET and an encoded service and scope', async () => {
  registry.settings.challenge = `Bearer realm="${registry.url}/token?tenant=a%26b",service="a b&scope=x:y:*",scope="ignored"`;
  await clientOf(registry).verify(wants);
  const asked = registry.ledger.filter(({ path }) => path === '/token');
  expect(asked.map(({ method, query }) => [method, [...new URLSearchParams(query)]])).toEqual(
    [[], ['repository:team/app:pull'], ['repository:team/app:pull,push']].map((scopes) => [
      'GET',
      [['tenant', 'a&b'], ['service', 'a b&scope=x:y:*'], ...scopes.map((scope) => ['scope', scope])],
    ]),
  );
});

test('sends an identity token in a form, and never as a password', async () => {
  const login = { identityToken: 'identity-of-alice' };
  expect(await clientOf(registry).verify({ ...wants, login })).toMatchObject({ login: { ok: true } });
  const asked = registry.ledger.filter(({ path }) => path === '/token');
  expect(asked.map(({ method, authorization }) => [method, authorization])).toEqual(Array(3).fill(['POST', undefined]));
  expect(Object.fromEntries(new URLSearchParams(asked[2]?.body))).toEqual({
    grant_type: 'refresh_token',
    client_id: 'fairlead',
    service: 'stand-in',
    scope: 'repository:team/app:pull,push',
    refresh_token: login.identityToken,
  });
  const wrong = await clientOf(registry).verify({ ...wants, login: { identityToken: 'wrong' } });
  expect(wrong.login).toEqual(refused('credentials_rejected'));
});

test('sends no credential to a realm on another host, and names the host', async () => {
  registry.settings.realm = `${renamed(other)}/token`;
  const answer = await clientOf(registry, {}, [renamed(other)]).verify(wants);
  expect(answer).toMatchObject({
    realm: new URL(renamed(other)).host,
    login: refused('realm_not_trusted'),
    repositories: [{ pull: refused('realm_not_trusted'), push: refused('realm_not_trusted') }],
  });
  expect(other.ledger).toEqual([]);
  expect(secretsSeen(registry)).toEqual([]);
});

test('sends the credential to a pinned realm until the registry names another', async () => {
  const pinnedRealm = new URL(renamed(registry)).host;
  registry.settings.realm = `${renamed(registry)}/token`;
  const client = clientOf(registry, { pinnedRealm }, [renamed(registry), renamed(other)]);
  expect((await client.verify(wants)).login).toEqual({ ok: true });

  for (const realm of [`${renamed(other)}/token`, `${registry.url}/token`]) {
    registry.settings.realm = realm;
    registry.ledger.length = 0;
    expect((await client.verify(wants)).login).toEqual(refused('realm_not_trusted'));
    await expect(client.mintBearer({ ...wants, purpose: 'pull' })).rejects.toMatchObject({ code: 'realm_not_trusted' });
    expect(secretsSeen(registry)).toEqual([]);
  }
  expect(other.ledger).toEqual([]);
});

test('fails closed when the realm changes between two repositories', async () => {
  const evil = { 'www-authenticate': `Bearer realm="${renamed(other)}/token",service="x"` };
  registry.fail({ path: /team\/app\/manifests/, times: 1, kind: 'answer', status: 401, headers: evil });
  const answer = await clientOf(registry, {}, [renamed(other)]).verify(wants);
  expect(answer).toMatchObject({ login: { ok: true }, repositories: [{ pull: refused('realm_not_trusted') }] });
  expect(other.ledger).toEqual([]);
});

test('does not reach a realm that the operator has not allowed', async () => {
  registry.settings.realm = `${other.url}/token`;
  expect((await clientOf(registry).verify(wants)).login).toEqual(refused('address_refused'));
  expect(other.ledger).toEqual([]);
});

test.each([301, 302, 303, 307, 308])('does not follow a realm’s redirect (%i)', async (status) => {
  const headers = { location: `${registry.url}/elsewhere` };
  registry.fail({ path: /^\/token/, kind: 'answer', status, headers });
  for (const login of [alice, { identityToken: 'identity-of-alice' }]) {
    expect((await clientOf(registry).verify({ ...wants, login })).login).toEqual(refused('token_unusable'));
  }
  expect(registry.ledger.filter(({ path }) => path === '/elsewhere')).toEqual([]);
});

const json = { 'content-type': 'application/json' };
test.each([
  ['no JSON', { status: 200, headers: json, body: 'token' }, 'token_unusable'],
  ['no token', { status: 200, headers: json, body: '{"token":7}' }, 'token_unusable'],
  [
    'a token that breaks out of its header',
    { status: 200, headers: json, body: '{"token":"a\\r\\nb: c"}' },
    'token_unusable',
  ],
  ['404', { status: 404 }, 'token_unusable'],
  ['403', { status: 403 }, 'credentials_rejected'],
  ['OAuth’s refusal', { status: 400, headers: json, body: '{"error":"invalid_grant"}' }, 'credentials_rejected'],
  ['500', { status: 500 }, 'unavailable'],
  ['429', { status: 429, headers: { 'retry-after': '7' } }, 'secondary_limited'],
])('a token service’s answer of %s', async (_, fault, code) => {
  registry.fail({ path: /^\/token/, kind: 'answer', ...fault });
  expect((await clientOf(registry).verify(wants)).login).toEqual(refused(code));
});

test.each([
  ['huge', 'token_unusable'],
  ['hang', 'timeout'],
  ['reset', 'network'],
] as const)('a token service’s answer that is a %s', async (kind, code) => {
  registry.fail({ path: /^\/token/, kind });
  expect((await hasty(registry).verify(wants)).login).toEqual(refused(code));
});

test('no failure repeats anything of an answer, or of the credential', async () => {
  const body = JSON.stringify({
    token: 'tok canary-1',
    message: alice.password,
    errors: [{ code: 'canary-2', message: 'canary-3' }],
  });
  for (const status of [200, 400, 401, 404, 429, 500]) {
    registry.heal();
    registry.fail({ path: /^\/token/, kind: 'answer', status, body });
    const client = clientOf(registry);
    const failed = await client.mintBearer({ ...wants, purpose: 'push' }).catch((error: unknown) => error);
    const told = JSON.stringify([await client.verify(wants), String(failed), failed]);
    expect(told).not.toMatch(/canary|correct-horse/);
  }
});

test('a bearer is for the repositories and the purpose asked for, and lives as long as its service says', async () => {
  const before = Date.now();
  const minted = await clientOf(registry).mintBearer({
    login: alice,
    repositories: ['team/a', 'team/b'],
    purpose: 'pull',
  });
  expect(minted.effective).toEqual({ repositories: ['team/a', 'team/b'], actions: ['pull'], narrowedTo: 'repository' });
  expect(minted.expiresAt).toBeGreaterThanOrEqual(before + 300_000);
  expect(minted.expiresAt).toBeLessThanOrEqual(Date.now() + 300_000);
  const scopes = new URLSearchParams(registry.ledger.at(-1)?.query).getAll('scope');
  expect(scopes).toEqual(['repository:team/a:pull', 'repository:team/b:pull']);

  const pushing = await clientOf(registry).mintBearer({ login: alice, repositories: ['team/a'], purpose: 'push' });
  expect(pushing.effective).toMatchObject({ repositories: ['team/a'], actions: ['pull', 'push'] });
});

test.each([
  ['without a life of its own', {}],
  ['with a life that is none', { expires_in: -5 }],
  ['with a life that is no number', { expires_in: 'soon' }],
])('a bearer %s lives for a minute', async (_, more) => {
  const body = JSON.stringify({ access_token: 'abc', ...more });
  registry.fail({ path: /^\/token/, kind: 'answer', status: 200, headers: json, body });
  const before = Date.now();
  const { token, expiresAt } = await clientOf(registry).mintBearer({ ...wants, purpose: 'pull' });
  expect(token).toBe('abc');
  expect(Math.round((expiresAt - before) / 10_000)).toBe(6);
});

test.each(['pull', 'push'] as const)('mints a bearer to %s at a registry that is open at /v2/', async (purpose) => {
  const body = '{}';
  registry.fail({ path: /^\/v2\/$/, kind: 'answer', status: 200, headers: json, body });
  const { effective } = await clientOf(registry).mintBearer({ ...wants, purpose });
  expect(effective).toMatchObject({ repositories: ['team/app'], narrowedTo: 'repository' });
});

test('reads a token from JSON that its service labels as text', async () => {
  const body = JSON.stringify({ token: 'abc' });
  const headers = { 'content-type': 'text/plain; charset=utf-8' };
  registry.fail({ path: /^\/token/, kind: 'answer', status: 200, headers, body });
  expect(await clientOf(registry).mintBearer({ ...wants, purpose: 'pull' })).toMatchObject({ token: 'abc' });
});

test.each(['pull', 'push'] as const)(
  'a token to %s that cannot be read is handed out, and said to be as good as its identity',
  async (purpose) => {
    registry.settings.tokens = 'opaque';
    const { effective } = await clientOf(registry).mintBearer({ ...wants, purpose });
    expect(effective).toEqual({
      repositories: '*',
      actions: ['pull', 'push'],
      narrowedTo: 'identity',
      note: expect.any(String),
    });
  },
);

test.each([
  ['header.!!!.signature'],
  [`a.${Buffer.from('{"access":{}}').toString('base64url')}.c`],
  [`a.${Buffer.from('null').toString('base64url')}.c`],
])('a token that only looks like a readable one is as good: %s', async (token) => {
  registry.fail({ path: /^\/token/, kind: 'answer', status: 200, headers: json, body: JSON.stringify({ token }) });
  const minted = await clientOf(registry).mintBearer({ ...wants, purpose: 'pull' });
  expect(minted).toMatchObject({ token, effective: { narrowedTo: 'identity' } });
});

test('a token that is good for more than was asked for is said to be', async () => {
  const access = ['team/app', 'team/other'].map((name) => ({
    type: 'repository',
    name,
    actions: ['pull', 'push', 'delete'],
  }));
  const token = `a.${Buffer.from(JSON.stringify({ access })).toString('base64url')}.c`;
  registry.fail({ path: /^\/token/, kind: 'answer', status: 200, headers: json, body: JSON.stringify({ token }) });
  const { effective } = await clientOf(registry).mintBearer({ ...wants, purpose: 'pull' });
  expect(effective).toEqual({
    repositories: ['team/app', 'team/other'],
    actions: ['pull', 'push'],
    narrowedTo: 'identity',
  });
});

test.each([
  ['everything', [{ type: 'repository', name: 'team/app', actions: ['*'] }]],
  [
    'each action apart',
    ['pull', 'push'].map((action) => ({ type: 'repository', name: 'team/app', actions: [action] })),
  ],
])('a token that names %s is read as that', async (_, access) => {
  const token = `a.${Buffer.from(JSON.stringify({ access })).toString('base64url')}.c`;
  registry.fail({ path: /^\/token/, kind: 'answer', status: 200, headers: json, body: JSON.stringify({ token }) });
  const { effective } = await clientOf(registry).mintBearer({ ...wants, purpose: 'push' });
  expect(effective).toEqual({ repositories: ['team/app'], actions: ['pull', 'push'], narrowedTo: 'repository' });
});

test('a user who can only pull gets no bearer token to push, although the service returns one', async () => {
  const client = clientOf(registry);
  const asked = { login: bob, repositories: ['team/app'] };
  await expect(client.mintBearer({ ...asked, purpose: 'push' })).rejects.toMatchObject({ code: 'push_denied' });
  expect((await client.mintBearer({ ...asked, purpose: 'pull' })).effective.actions).toEqual(['pull']);
  const more = { login: bob, repositories: ['team/app', 'team/other'], purpose: 'pull' as const };
  await expect(client.mintBearer(more)).rejects.toMatchObject({
    code: 'pull_denied',
    message: expect.stringContaining('team/other'),
  });
});

test('no name brings a scope of its own into the request', async () => {
  for (const name of ['team/app:push', 'team/app:pull repository:team/other', '*', 'team/*', 'registry:catalog:*']) {
    const asked = clientOf(registry).mintBearer({ login: alice, repositories: ['team/app', name], purpose: 'pull' });
    await expect(asked).rejects.toMatchObject({ code: 'validation' });
  }
  expect(registry.ledger).toEqual([]);
});

test('there is no bearer for everything, nor at a registry that has none', async () => {
  const client = clientOf(registry);
  const nothing = { login: alice, repositories: [], purpose: 'pull' as const };
  await expect(client.mintBearer(nothing)).rejects.toMatchObject({ code: 'validation' });
  registry.settings.auth = 'basic';
  await expect(client.mintBearer({ ...wants, purpose: 'pull' })).rejects.toMatchObject({ code: 'bearer_unsupported' });
});
