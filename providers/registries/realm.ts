import { getDomain } from 'tldts';
import { ProviderError } from '../failure.ts';

/** Registries that are known to send credentials to exactly one other host. */
const knownRealms = new Map([
  ['registry-1.docker.io', 'auth.docker.io'],
  ['registry.gitlab.com', 'gitlab.com'],
  ['ghcr.io', 'ghcr.io'],
  ['quay.io', 'quay.io'],
]);

/**
 * Returns the host that a registry's challenge names for its credentials, if Fairlead may send them there. That is the
 * pinned host; without a pin, the registry's own host, a host of the same registrable domain, or a known host. A
 * changed realm does not match its pin and is rejected. Only https, unless the registry itself uses plain HTTP.
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

/** The host that a challenge names, trusted or not. Fairlead asks a person about it. */
export function realmHost(realm: string): string | undefined {
  return URL.canParse(realm) ? new URL(realm).host : undefined;
}

function isRelated(registry: URL, realm: URL): boolean {
  const known = knownRealms.get(registry.hostname);
  if (known !== undefined) return realm.host === known;
  if (registry.hostname === realm.hostname) return true;
  // With the private part of the list, two customers of one hosting company share no domain.
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
