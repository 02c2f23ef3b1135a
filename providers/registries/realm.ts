import { getDomain } from 'tldts';
import { ProviderError } from '../failure.ts';

/** Registries that are known to send credentials to one host, and to no other. */
const knownRealms = new Map([
  ['registry-1.docker.io', 'auth.docker.io'],
  ['registry.gitlab.com', 'gitlab.com'],
  ['ghcr.io', 'ghcr.io'],
  ['quay.io', 'quay.io'],
]);

/**
 * Where a registry's challenge wants its credentials sent, if that may be trusted with them: the host that was pinned,
 * and without one the registry's own host, one of the same registrable domain, or what is known of it. A host with a
 * pin has no other, so a realm that changes is refused. https, unless the registry itself is spoken to in plain.
 */
export function trustedRealm(registry: URL, realm: string, pinned?: string): URL {
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  if (!url) throw untrusted(registry, 'something that is no address');
  if (url.username !== '' || url.password !== '' || realm.includes('#')) {
    throw untrusted(registry, 'an address with a user or a fragment in it');
  }
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && registry.protocol === 'http:')) {
    throw untrusted(registry, `${url.hostname} without https`);
  }
  if (pinned === undefined ? !isRelated(registry, url) : url.host !== pinned) {
    const instead = pinned === undefined ? '' : `, and no longer to ${pinned}`;
    throw untrusted(registry, `${url.host}${instead}`);
  }
  return url;
}

/** The host that a challenge names, whether or not it is trusted: what a person is asked about. */
export function realmHost(realm: string): string | undefined {
  return URL.canParse(realm) ? new URL(realm).host : undefined;
}

function isRelated(registry: URL, realm: URL): boolean {
  const known = knownRealms.get(registry.hostname);
  if (known !== undefined) return realm.host === known;
  if (registry.hostname === realm.hostname) return true;
  // With the list's private part: two customers of one hosting company share no domain.
  const domain = getDomain(registry.hostname, { allowPrivateDomains: true });
  return domain !== null && domain === getDomain(realm.hostname, { allowPrivateDomains: true });
}

function untrusted(registry: URL, where: string): ProviderError {
  return new ProviderError({
    provider: 'registry',
    code: 'realm_not_trusted',
    message: `${registry.host} wants credentials to be sent to ${where}`,
  });
}
