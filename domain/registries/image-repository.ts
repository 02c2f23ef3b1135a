import { type RegistryHost, registryHost } from './registry-hosts.ts';

/** The syntax of distribution and OCI: lower case, parts with single separators inside, and no `..`. */
const part = '[a-z0-9]+(?:(?:\\.|_{1,2}|-+)[a-z0-9]+)*';
const repositoryName = new RegExp(`^${part}(?:/${part})*$`);
const maxLength = 255;

export function isRepositoryName(name: string): boolean {
  return name.length <= maxLength && repositoryName.test(name);
}

/** Returns what to change in a name that the registry does not allow, as the end of a sentence about the name. */
export function repositoryNameAdvice(registry: RegistryHost, text: string): string {
  if (text !== text.toLowerCase() && imageRepository(registry, text.toLowerCase()) !== undefined) {
    return `must be in lower case: ${text.toLowerCase()}`;
  }
  return `must be the name of a repository on ${registry.host}, without a tag or digest`;
}

/** The minimum number of parts of a repository name. Google's begin with the project and its repository. */
function leastParts(registry: RegistryHost): number {
  if (registry.kind !== 'gar') return 1;
  return registry.isGcr ? 2 : 3;
}

/**
 * Returns the name of an image repository within its registry, from `acme/app` or `ghcr.io/acme/app` with the
 * registry's own host. Docker Hub's own images get the prefix `library/`. Undefined if it is not a name of that
 * registry, for example with a tag, a digest or another host.
 */
export function imageRepository(registry: RegistryHost, text: string): string | undefined {
  const [first = '', ...rest] = text.split('/');
  const isOwnHost = rest.length > 0 && isHostPart(first) && registryHost(first)?.host === registry.host;
  const name = isOwnHost ? rest.join('/') : text;
  if (!isRepositoryName(name)) return undefined;
  // In an image reference, a first part with a dot names another registry.
  if (!isOwnHost && rest.length > 0 && isHostPart(first) && registry.kind === 'dockerhub') return undefined;
  if (name.split('/').length < leastParts(registry)) return undefined;
  return registry.kind === 'dockerhub' && !name.includes('/') ? `library/${name}` : name;
}

/** Docker's own rule to distinguish a host from the first part of a name. */
function isHostPart(text: string): boolean {
  return text.includes('.') || text.includes(':') || text === 'localhost';
}
