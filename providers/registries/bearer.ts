import { imageRepository } from '../../domain/registries/image-repository.ts';
import type { RegistryHost } from '../../domain/registries/registry-hosts.ts';
import {
  type EffectiveScope,
  type RegistryPurpose,
  registryPurposes,
} from '../../domain/registries/registry-purposes.ts';
import { failure } from './failures.ts';
import { accessIn, findRepositoryWayIn, scopeOf } from './probes.ts';
import type { Login } from './tokens.ts';
import { findWayIn, noTokens, tokenFor } from './way-in.ts';
import type { Wire } from './wire.ts';

export type BearerRequest = {
  login: Login;
  /** The repositories, by their names in the registry. */
  repositories: string[];
  purpose: RegistryPurpose;
  pinnedRealm: string | undefined;
};

/**
 * `expiresAt` in ms. `effective` is the access that the token names. For an opaque token it is everything that the
 * identity may do.
 */
export type Bearer = { token: string; expiresAt: number; effective: EffectiveScope };

/**
 * Gets a token from the registry's own token service. It reaches only these repositories, if the service can narrow
 * tokens.
 */
export async function mintBearer(
  wire: Wire,
  host: RegistryHost,
  { login, repositories: given, purpose, pinnedRealm }: BearerRequest,
): Promise<Bearer> {
  const repositories = given.map((name) => imageRepository(host, name)).filter((name) => name !== undefined);
  const [first] = repositories;
  if (first === undefined || repositories.length < given.length) {
    throw failure('validation', 'A token is for repositories that are named');
  }
  const door = await findWayIn(wire);
  const wayIn = door.scheme === 'open' ? await findRepositoryWayIn(wire, first, purpose) : door;
  if (wayIn?.scheme !== 'bearer') throw noTokens(wire);
  const scopes = repositories.map((repository) => scopeOf(repository, purpose));
  const minted = await tokenFor(wire, wayIn, { login, scopes, pinnedRealm });
  const denied = purpose === 'push' ? 'push_denied' : 'pull_denied';
  if (!minted) throw failure(denied, `${wire.origin.host} gives this credential no token for ${purpose}`);

  const granted = accessIn(minted.token);
  // A service may grant less than requested. For Docker Hub the claims alone do not decide what its registry allows.
  const lacking = granted && repositories.find((name) => !granted.get(name)?.includes(purpose));
  if (lacking !== undefined && host.kind !== 'dockerhub') {
    throw failure(denied, `${wire.origin.host} gives this credential no token for ${purpose}: ${lacking}`);
  }
  return { ...minted, effective: effectiveOf(granted, repositories) };
}

function effectiveOf(granted: Map<string, string[]> | undefined, repositories: string[]): EffectiveScope {
  if (!granted) {
    const note = 'The token does not name its access. It allows everything that its identity may do.';
    return { repositories: '*', actions: [...registryPurposes], narrowedTo: 'identity', note };
  }
  const actions = registryPurposes.filter((action) => [...granted.values()].flat().includes(action));
  const isNarrow = [...granted.keys()].every((name) => repositories.includes(name));
  return { repositories: [...granted.keys()], actions, narrowedTo: isNarrow ? 'repository' : 'identity' };
}
