import { type RegistryHost, registryHost } from './registry-hosts.ts';

/** As distribution and OCI write it: lower case, parts with single separators inside, and nothing that climbs. */
const part = '[a-z0-9]+(?:(?:\\.|_{1,2}|-+)[a-z0-9]+)*';
const repositoryName = new RegExp(`^${part}(?:/${part})*$`);
const maxLength = 255;

export function isRepositoryName(name: string): boolean {
  return name.length <= maxLength && repositoryName.test(name);
}

/** How many parts a repository of such a registry has at least: Google's begin with the project and its repository. */
function leastParts(registry: RegistryHost): number {
  if (registry.kind !== 'gar') return 1;
  return registry.isGcr ? 2 : 3;
}

/**
 * The name of an image repository within its registry, from `acme/app` or, with the registry's own host in front,
 * `ghcr.io/acme/app`. Docker Hub's own images get their `library/`. Nothing where it is no name of that registry: also
 * with a tag, a digest or the host of another one.
 */
export function imageRepository(registry: RegistryHost, text: string): string | undefined {
  const [first = '', ...rest] = text.split('/');
  const isOwnHost = rest.length > 0 && isHostPart(first) && registryHost(first)?.host === registry.host;
  const name = isOwnHost ? rest.join('/') : text;
  if (!isRepositoryName(name)) return undefined;
  // A first part with a dot is how a reference names another registry.
  if (!isOwnHost && rest.length > 0 && isHostPart(first) && registry.kind === 'dockerhub') return undefined;
  if (name.split('/').length < leastParts(registry)) return undefined;
  return registry.kind === 'dockerhub' && !name.includes('/') ? `library/${name}` : name;
}

/** Docker's own rule for telling a host from the first part of a name. */
function isHostPart(text: string): boolean {
  return text.includes('.') || text.includes(':') || text === 'localhost';
}
