import { expect, test } from 'vitest';
import { trustedRealm } from '../../../providers/registries/realm.ts';

const trusted = (registry: string, realm: string, pinned?: string) =>
  trustedRealm(new URL(registry), realm, pinned).href;

test.each([
  ['https://ghcr.io', 'https://ghcr.io/token'],
  ['https://registry-1.docker.io', 'https://auth.docker.io/token'],
  ['https://registry.gitlab.com', 'https://gitlab.com/jwt/auth'],
  ['https://quay.io', 'https://quay.io/v2/auth'],
  ['https://harbor.acme.com', 'https://harbor.acme.com/service/token'],
  ['https://harbor.acme.com:8443', 'https://harbor.acme.com:9443/service/token'],
  ['https://registry.acme.co.uk', 'https://gitlab.acme.co.uk/jwt/auth'],
  ['https://registry.digitalocean.com', 'https://api.digitalocean.com/v2/registry/auth'],
  ['http://127.0.0.1:5000', 'http://127.0.0.1:5001/token'],
  ['http://127.0.0.1:5000', 'https://127.0.0.1/token'],
])('lets %s send its users to %s', (registry, realm) => {
  expect(trusted(registry, realm)).toBe(realm);
});

test.each([
  ['another domain', 'https://registry.acme.com', 'https://evil.com/token'],
  ['a domain behind its own', 'https://registry.acme.com', 'https://registry.acme.com.evil.com/token'],
  ['a neighbour below a country’s ending', 'https://registry.acme.co.uk', 'https://evil.co.uk/token'],
  ['another customer of its hosting company', 'https://acme.github.io', 'https://evil.github.io/token'],
  ['another address', 'https://192.0.2.1', 'https://192.0.2.2/token'],
  ['another host of a known registry', 'https://registry-1.docker.io', 'https://evil.docker.io/token'],
  ['another port of a known registry', 'https://ghcr.io', 'https://ghcr.io:8443/token'],
  ['plain HTTP', 'https://ghcr.io', 'http://ghcr.io/token'],
  ['a file', 'https://ghcr.io', 'file:///etc/passwd'],
  ['a path of its own', 'https://ghcr.io', '/token'],
  ['a user', 'https://acme.com', 'https://acme.com@evil.com/token'],
  ['a user of its own', 'https://acme.com', 'https://user:secret@acme.com/token'],
  ['a fragment', 'https://acme.com', 'https://acme.com/token#x'],
  ['nothing', 'https://acme.com', ''],
])('does not trust %s with credentials', (_, registry, realm) => {
  expect(() => trusted(registry, realm)).toThrow(expect.objectContaining({ code: 'realm_not_trusted' }));
});

test('trusts the pinned realm and no other, not even the registry itself', () => {
  const pinned = 'login.partner.net';
  expect(trusted('https://registry.acme.com', 'https://login.partner.net/token', pinned)).toBe(
    'https://login.partner.net/token',
  );
  for (const realm of [
    'https://registry.acme.com/token',
    'https://evil.net/token',
    'https://login.partner.net:444/token',
  ]) {
    expect(() => trusted('https://registry.acme.com', realm, pinned)).toThrow(/no longer to login\.partner\.net/);
  }
  expect(() => trusted('https://registry.acme.com', 'http://login.partner.net/token', pinned)).toThrow(/without https/);
});
