import { afterEach, beforeEach, expect, test } from 'vitest';
import { createRegistry } from '../../../providers/registries/registry.ts';
import { registryFetch } from '../../../providers/registries/wire.ts';
import type { RegistryStandIn } from '../../../stand-ins/registry/stand-in.ts';
import { bob, both, startTeamRegistry } from '../../support/scenes/registry-provider.ts';

const hub = ['https://registry-1.docker.io', 'https://auth.docker.io'];
let registry: RegistryStandIn;
/** The requests, by the requested host name. */
let asked: string[];

beforeEach(async () => {
  asked = [];
  const access = [{ repository: 'library/nginx', actions: ['pull' as const] }];
  registry = await startTeamRegistry({ users: { bob: { password: bob.password, access } } });
  registry.settings.realm = 'https://auth.docker.io/token';
});
afterEach(() => registry.close());

/** A network in which Docker Hub's names lead to the stand-in. */
function clientOf(address: string) {
  const fetch = registryFetch({ allowedHosts: [{ origin: registry.url }] });
  return createRegistry({
    registry: address,
    fetch: (ca) => (url, init) => {
      const { origin, pathname, search } = new URL(url);
      asked.push(`${origin}${pathname}`);
      if (!hub.includes(origin)) throw new Error(`${origin} is not Docker Hub`);
      return fetch(ca)(`${registry.url}${pathname}${search}`, init);
    },
  });
}

const refused = (code: string) => expect.objectContaining({ ok: false, code });
const wants = { login: bob, repositories: ['nginx', 'acme/private'], purposes: [...both] };

test.each(['docker.io', 'https://index.docker.io/v1/', 'registry-1.docker.io'])(
  'calls %s at its API host',
  async (name) => {
    const answer = await clientOf(name).verify(wants);
    expect(answer).toMatchObject({
      realm: 'auth.docker.io',
      login: { ok: true },
      repositories: [{ pull: { ok: true } }, {}],
    });
    expect(new Set(asked.map((url) => new URL(url).origin))).toEqual(new Set(hub));
    expect(asked.find((url) => url.includes('/manifests/'))).toContain('/v2/library/nginx/manifests/');
    const scopes = registry.ledger.map(({ query }) => new URLSearchParams(query).get('scope'));
    expect(scopes).toContain('repository:library/nginx:pull');
  },
);

test('reports alike what does not exist and what is not visible, as Docker Hub does', async () => {
  const { repositories } = await clientOf('docker.io').verify(wants);
  const hidden = refused('not_visible');
  expect(repositories).toEqual([
    { repository: 'nginx', pull: { ok: true }, push: hidden },
    { repository: 'acme/private', pull: hidden, push: hidden },
  ]);
});

test('sends the credential only to its own token service, not to another host of its domain', async () => {
  registry.settings.realm = 'https://evil.docker.io/token';
  expect((await clientOf('docker.io').verify(wants)).login).toEqual(refused('realm_not_trusted'));
  expect(new Set(asked)).toEqual(new Set(['https://registry-1.docker.io/v2/']));
});

test.each([
  ['a used-up limit of pulls', JSON.stringify({ errors: [{ code: 'TOOMANYREQUESTS' }] }), 'rate_limited'],
  ['its guard against abuse', '<html>Too Many Requests</html>', 'secondary_limited'],
])('429 for %s', async (_, body, code) => {
  registry.fail({ path: /manifests/, kind: 'answer', status: 429, body });
  const { repositories } = await clientOf('docker.io').verify({ ...wants, repositories: ['nginx'] });
  expect(repositories).toEqual([{ repository: 'nginx', pull: refused(code), push: refused(code) }]);
});

test('returns a token with the access that it names, because its claims alone do not decide', async () => {
  const minted = await clientOf('docker.io').mintBearer({ login: bob, repositories: ['nginx'], purpose: 'push' });
  expect(minted.effective).toEqual({ repositories: ['library/nginx'], actions: ['pull'], narrowedTo: 'repository' });
});
