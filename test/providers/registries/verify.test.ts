import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import type { RegistryInput, RegistryStandIn } from '../../../stand-ins/registry/stand-in.ts';
import { alice, bob, both, clientOf, hasty, startTeamRegistry } from '../../support/scenes/registry-provider.ts';

let registry: RegistryStandIn;
afterEach(() => registry?.close());

const start = async (input?: RegistryInput) => {
  registry = await startTeamRegistry(input);
};
const wants = { repositories: ['team/app'], purposes: [...both] };
const verify = (login: typeof alice) => clientOf(registry).verify({ login, ...wants });
const ok = { ok: true };
const refused = (code: string) => expect.objectContaining({ ok: false, code });

const kinds: [string, RegistryInput][] = [
  ['Basic', { auth: 'basic' }],
  ['Basic, denying with 403', { auth: 'basic', denial: 403 }],
  ['tokens', {}],
  ['tokens, denying with 403', { denial: 403 }],
  ['tokens that cannot be read', { tokens: 'opaque' }],
];

test.each(kinds)('pull and push are proven each on its own, and nothing is left behind: %s', async (_, input) => {
  await start(input);
  expect(await verify(alice)).toMatchObject({
    login: ok,
    repositories: [{ repository: 'team/app', pull: ok, push: ok }],
  });
  expect(await verify(bob)).toMatchObject({ login: ok, repositories: [{ pull: ok, push: refused('push_denied') }] });
  const elsewhere = await clientOf(registry).verify({ login: bob, ...wants, repositories: ['team/other'] });
  expect(elsewhere.repositories).toEqual([
    { repository: 'team/other', pull: refused('pull_denied'), push: refused('push_denied') },
  ]);
  expect(registry.images.repositories.size + registry.images.uploads.size).toBe(0);
  expect(new Set(registry.ledger.map(({ method }) => method))).toEqual(new Set(['GET', 'PATCH']));
});

test.each(kinds)('a wrong password is a wrong password, for every repository: %s', async (_, input) => {
  await start(input);
  const answer = await verify({ ...alice, password: 'not-hers' });
  const rejected = refused('credentials_rejected');
  expect(answer).toMatchObject({ login: rejected, repositories: [{ pull: rejected, push: rejected }] });
  // A rejected credential is not sent again.
  expect(registry.ledger.filter(({ authorization }) => authorization?.startsWith('Basic'))).toHaveLength(1);
});

test('only the purposes asked for are tried', async () => {
  await start();
  const answer = await clientOf(registry).verify({ login: alice, repositories: ['team/app'], purposes: ['pull'] });
  expect(answer.repositories).toEqual([{ repository: 'team/app', pull: ok }]);
  expect(registry.ledger.filter(({ method }) => method === 'PATCH')).toEqual([]);
});

test('each repository’s request is made without a credential first', async () => {
  await start();
  await verify(alice);
  const [control, proof] = registry.ledger.filter(({ method }) => method === 'PATCH');
  expect(control).toMatchObject({ authorization: undefined, status: 401, path: proof?.path });
  expect(proof).toMatchObject({ authorization: expect.stringMatching(/^Bearer /), status: 404 });
});

test.each(['basic', 'bearer'] as const)('a 404 proves nothing where anybody is given one: %s', async (auth) => {
  await start({ auth, looks: 'first' });
  for (const login of [alice, bob]) {
    expect(await verify(login)).toMatchObject({
      login: ok,
      repositories: [{ pull: refused('pull_unproven'), push: refused('push_unproven') }],
    });
  }
});

test('a 404 proves no push where the token itself does not tell of one', async () => {
  await start({ looks: 'asked' });
  expect(await verify(alice)).toMatchObject({ repositories: [{ pull: ok, push: ok }] });
  expect(await verify(bob)).toMatchObject({ repositories: [{ pull: ok, push: refused('push_unproven') }] });
});

test('a 404 that is not the registry’s own proves no push', async () => {
  await start();
  registry.fail({ method: 'PATCH', path: /uploads/, times: 1, kind: 'answer', status: 401 });
  registry.fail({ method: 'PATCH', path: /uploads/, kind: 'answer', status: 404, body: '<h1>Not Found</h1>' });
  expect(await verify(alice)).toMatchObject({ repositories: [{ pull: ok, push: refused('push_unproven') }] });
});

test('a registry that takes no pushes at all has proven none', async () => {
  await start();
  const body = JSON.stringify({ errors: [{ code: 'UNSUPPORTED', message: 'read only' }] });
  registry.fail({ method: 'PATCH', path: /uploads/, times: 1, kind: 'answer', status: 401 });
  registry.fail({ method: 'PATCH', path: /uploads/, kind: 'answer', status: 405, body });
  expect(await verify(alice)).toMatchObject({ repositories: [{ push: refused('push_unproven') }] });
});

test('a repository that the registry says it does not know is not visible', async () => {
  await start();
  const body = JSON.stringify({ errors: [{ code: 'NAME_UNKNOWN', message: 'repository name not known' }] });
  for (const path of [/manifests/, /uploads/]) {
    registry.fail({ path, times: 1, kind: 'answer', status: 401 });
    registry.fail({ path, kind: 'answer', status: 404, body });
  }
  expect(await verify(alice)).toMatchObject({
    repositories: [{ pull: refused('not_visible'), push: refused('not_visible') }],
  });
});

test('a registry that is open to everybody proves no credential', async () => {
  await start({ auth: 'open' });
  expect(await verify(alice)).toMatchObject({
    login: refused('credentials_unproven'),
    repositories: [{ pull: refused('pull_unproven'), push: refused('push_unproven') }],
  });
});

test('a registry that is open at its door only is asked at the repository', async () => {
  await start();
  registry.fail({ path: /^\/v2\/$/, kind: 'answer', status: 200, headers: { 'content-type': 'application/json' } });
  expect(await verify(alice)).toMatchObject({
    login: refused('credentials_unproven'),
    repositories: [{ pull: ok, push: ok }],
  });
});

test('what is no repository’s name is never asked for', async () => {
  await start();
  const repositories = ['team/../other', 'Team/App', 'team/app:v1', `${registry.host}/team/app`];
  const answer = await clientOf(registry).verify({ login: alice, repositories, purposes: ['pull'] });
  expect(answer.repositories.map(({ pull }) => pull)).toEqual([...Array(3).fill(refused('validation')), ok]);
  expect(registry.ledger.filter(({ path }) => path !== '/v2/' && path !== '/token').map(({ path }) => path)).toEqual(
    Array(2).fill(expect.stringMatching(/^\/v2\/team\/app\/manifests\//)),
  );
});

test.each([
  ['a page of something else', { status: 200, body: '<html>' }, 'not_a_registry'],
  ['404', { status: 404 }, 'not_a_registry'],
  ['a refusal without a challenge', { status: 401 }, 'not_a_registry'],
  ['a scheme that nobody knows', { status: 401, headers: { 'www-authenticate': 'Negotiate' } }, 'not_a_registry'],
  ['a redirect to another host', { status: 302, headers: { location: 'http://localhost:1/v2/' } }, 'not_a_registry'],
  ['403', { status: 403 }, 'policy'],
  ['500', { status: 500 }, 'unavailable'],
  ['429', { status: 429 }, 'secondary_limited'],
])('at the door: %s', async (_, fault, code) => {
  await start();
  registry.fail({ path: /^\/v2\/$/, kind: 'answer', ...fault });
  expect((await verify(alice)).login).toEqual(refused(code));
});

test.each([
  ['huge', 'not_a_registry'],
  ['hang', 'timeout'],
  ['reset', 'network'],
] as const)('a registry’s answer that is a %s', async (kind, code) => {
  await start();
  registry.fail({ path: /^\/v2\/$/, kind });
  expect((await hasty(registry).verify({ login: alice, ...wants })).login).toEqual(refused(code));
});

test('reports a registry that is not running', async () => {
  await start();
  await registry.close();
  expect(await verify(alice)).toMatchObject({
    realm: undefined,
    login: refused('network'),
    repositories: [{ pull: refused('network'), push: refused('network') }],
  });
});

test('an address that the operator has not opened is not asked', async () => {
  await start();
  const client = clientOf({ url: 'http://127.0.0.1:1' }, { registry: registry.url });
  expect((await client.verify({ login: alice, ...wants })).login).toEqual(refused('address_refused'));
  expect(registry.ledger).toEqual([]);
});

test('a limit ends the round: the repositories that follow are told the same and not tried', async () => {
  await start();
  const body = JSON.stringify({ errors: [{ code: 'TOOMANYREQUESTS', message: 'pull rate limit' }] });
  registry.fail({ path: /team\/a\/manifests/, kind: 'answer', status: 429, body, headers: { 'retry-after': '120' } });
  const answer = await clientOf(registry).verify({ ...wants, login: alice, repositories: ['team/a', 'team/b'] });
  const limited = { ok: false, code: 'rate_limited', retryAfterMs: 120_000, message: expect.any(String) };
  expect(answer.login).toEqual(ok);
  expect(answer.repositories).toEqual(
    ['team/a', 'team/b'].map((repository) => ({ repository, pull: limited, push: limited })),
  );
  expect(registry.ledger.filter(({ path }) => path.includes('team/b'))).toEqual([]);
});

test('Docker Hub’s own header for a pause is a time, and not a number of seconds', async () => {
  await start();
  const until = Math.floor(Date.now() / 1000) + 90;
  registry.fail({ path: /^\/v2\/$/, kind: 'answer', status: 429, headers: { 'x-retry-after': String(until) } });
  const { login } = await verify(alice);
  expect(login).toMatchObject({ code: 'secondary_limited', retryAfterMs: expect.any(Number) });
  expect('retryAfterMs' in login && login.retryAfterMs).toBeGreaterThan(60_000);
  expect('retryAfterMs' in login && login.retryAfterMs).toBeLessThan(91_000);
});

test('a certificate of an authority of its own is trusted where that is given, and only there', async () => {
  const pem = (name: string) =>
    readFileSync(fileURLToPath(new URL(`../../support/tls/${name}.pem`, import.meta.url)), 'utf8');
  await start({ certificate: { cert: pem('loopback'), key: pem('loopback-key') } });
  const given = { login: alice, ...wants };
  expect((await clientOf(registry, { ca: pem('loopback') }).verify(given)).login).toEqual(ok);
  expect((await clientOf(registry).verify(given)).login).toEqual(refused('tls_untrusted'));
  expect((await clientOf(registry, { ca: pem('certificate') }).verify(given)).login).toEqual(refused('tls_untrusted'));
  expect(() => clientOf(registry, { ca: 'no certificate' })).toThrow(
    expect.objectContaining({ code: 'tls_untrusted' }),
  );
});

test.each([`p$'"(:\n\\`, 'ü€😀', `${'x'.repeat(2000)}`, ' ', 'a b'])(
  'the password %j arrives as it is',
  async (password) => {
    const name = 'robot$team+ci';
    const users = { [name]: { password, access: [{ repository: 'team/app', actions: [...both] }] } };
    for (const auth of ['basic', 'bearer'] as const) {
      await start({ auth, users });
      expect(await verify({ username: name, password })).toMatchObject({
        login: ok,
        repositories: [{ pull: ok, push: ok }],
      });
      expect((await verify({ username: name, password: `${password}x` })).login).toEqual(
        refused('credentials_rejected'),
      );
      await registry.close();
    }
  },
);

test('a user name with a colon is refused before it is sent', async () => {
  await start({ auth: 'basic' });
  expect((await verify({ username: 'alice:correct', password: 'horse' })).login).toEqual(
    refused('credentials_rejected'),
  );
  expect(registry.ledger.filter(({ authorization }) => authorization)).toEqual([]);
});

test('an identity token is no password', async () => {
  await start({ auth: 'basic' });
  const answer = await clientOf(registry).verify({ login: { identityToken: 'identity-of-alice' }, ...wants });
  expect(answer.login).toEqual(refused('bearer_unsupported'));
});

test('what the caller gives up ends as the caller says', async () => {
  await start();
  registry.fail({ path: /^\/v2\/$/, kind: 'hang' });
  const client = clientOf(registry, { signal: AbortSignal.timeout(50) });
  await expect(client.verify({ login: alice, ...wants })).rejects.toMatchObject({ name: 'TimeoutError' });
});
