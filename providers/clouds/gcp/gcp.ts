import { type ArtifactRepository, artifactRepository } from '../../../domain/clouds/gcp-names.ts';
import type { ProviderErrorCode } from '../../../domain/ops/provider-failures.ts';
import { registryHost } from '../../../domain/registries/registry-hosts.ts';
import type {
  RegistryCredential,
  RegistryPurpose,
  RepositoryCheck,
} from '../../../domain/registries/registry-purposes.ts';
import type { Fetch } from '../../egress/guarded-fetch.ts';
import { ProviderError } from '../../failure.ts';
import { watchFetch } from '../watched-fetch.ts';
import { googleFailure } from './gcp-failures.ts';
import { type GcpAccess, type GoogleToken, googleOrigins, googleToken } from './gcp-token.ts';

export type GcpDeps = {
  fetch: Fetch;
  timeoutMs: number;
  now: () => number;
  /** Replaces the addresses of Google, for tests. */
  endpoints?: Partial<typeof googleOrigins>;
};

export type GarCredentialWanted = {
  host: string;
  /** Google cannot narrow a token to repositories. */
  repositories?: string[];
  actions: RegistryPurpose[];
  /** The minimum remaining lifetime. Google can be asked for a lifetime if a service account is impersonated. */
  minTtlMs: number;
  signal?: AbortSignal;
};

type Wanted = { scopes: string[]; minTtlMs?: number; signal?: AbortSignal | undefined };

export type Gcp = ReturnType<typeof createGcp>;

const cloudPlatform = 'https://www.googleapis.com/auth/cloud-platform';
/** Google's own machines pull with the second scope by default. */
const readOnly = [`${cloudPlatform}.read-only`, 'https://www.googleapis.com/auth/devstorage.read_only'];

/** The longest lifetimes that Google grants. A policy of the organization must allow more than the first. */
const usualSeconds = 3600;
const longestSeconds = 12 * 3600;
/** How much of a token's lifetime the transport may take. */
const spareSeconds = 60;

const permissions = {
  pull: 'artifactregistry.repositories.downloadArtifacts',
  push: 'artifactregistry.repositories.uploadArtifacts',
} as const satisfies Record<RegistryPurpose, string>;

/** The client of Google’s registries, with an account’s access. Each method throws a `ProviderError`. */
export function createGcp({ fetch, timeoutMs, now, endpoints }: GcpDeps) {
  const origins = originsWith(endpoints);
  const watch = (signal?: AbortSignal) => watchFetch({ fetch, timeoutMs, origins, signal });

  async function tokenOf(access: GcpAccess, wanted: Wanted): Promise<GoogleToken> {
    const { scopes, minTtlMs = 0, signal } = wanted;
    const needed = Math.ceil(minTtlMs / 1000) + spareSeconds;
    const lifetimeSeconds = Math.min(longestSeconds, Math.max(usualSeconds, needed));
    return googleToken(access, { scopes, lifetimeSeconds }, watch(signal), now);
  }

  /** One call answers for both actions on a repository without touching it. */
  async function granted(
    { project, location, repository }: ArtifactRepository,
    token: string,
    signal: AbortSignal | undefined,
  ): Promise<string[] | ProviderError> {
    const watched = watch(signal);
    const path = `v1/projects/${encodeURIComponent(project)}/locations/${location}/repositories/${repository}`;
    try {
      const answer = await watched.fetch(`${googleOrigins.artifactRegistry}/${path}:testIamPermissions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ permissions: Object.values(permissions) }),
      });
      if (answer.status === 200) {
        const { permissions: held } = watched.last()?.body ?? {};
        // An empty answer means that no permission is granted.
        return Array.isArray(held) ? held : [];
      }
    } catch {
      // The watched exchange knows more.
    }
    const failure = googleFailure(watched.last(), 'repository', now());
    if (failure.status === undefined || failure.status >= 500 || failure.status === 429) throw failure;
    return failure;
  }

  return {
    /**
     * Signs the account in at Google, which needs no further API. Throws if other tenants of this Fairlead could
     * impersonate its service account, too. Without a service account the roles of the pool's principals count, and
     * those cannot be queried.
     */
    async proveAccess(access: GcpAccess, signal?: AbortSignal): Promise<void> {
      const wanted = { scopes: [cloudPlatform], signal };
      await tokenOf(access, wanted);
      if (access.mode !== 'workload_identity' || access.serviceAccount === undefined) return;
      try {
        await tokenOf({ ...access, subjectToken: access.strangersToken }, wanted);
      } catch (error) {
        if (error instanceof ProviderError && refusalsOfStrangers.includes(error.code)) return;
        throw error;
      }
      throw new ProviderError({ provider: 'gcp', code: 'subject_not_required', message: notPinned, settling: true });
    },

    /**
     * Returns a token for everything that the account may reach, on every host of Google's. Narrowed tokens exist for
     * storage only. A read-only scope limits it to pulling, except for a person's consent, whose scope is fixed.
     */
    async garCredential(access: GcpAccess, wanted: GarCredentialWanted): Promise<RegistryCredential> {
      const { host, actions, minTtlMs, signal } = wanted;
      requireRegistry(host);
      const reads = !actions.includes('push') && access.mode !== 'oauth';
      const { token, expiresAt } = await tokenOf(access, {
        scopes: reads ? readOnly : [cloudPlatform],
        minTtlMs,
        signal,
      });
      if (expiresAt - now() < minTtlMs) {
        const minutes = Math.floor(Math.max(0, expiresAt - now()) / 60_000);
        const message = `Google’s token lives for ${minutes} minutes, which is less than was asked for`;
        throw new ProviderError({ provider: 'gcp', code: 'lifetime_too_short', message });
      }
      return {
        host,
        username: 'oauth2accesstoken',
        password: token,
        bearer: token,
        expiresAt,
        effective: {
          repositories: '*',
          actions: reads ? ['pull'] : ['pull', 'push'],
          narrowedTo: 'identity',
          note: 'Google’s tokens cannot be narrowed to a repository: the roles of the account decide what they reach.',
        },
      };
    },

    /** Returns whether the account may pull from and push to the location of each image. */
    async testPermissions(
      access: GcpAccess,
      { host, repositories, signal }: { host: string; repositories: string[]; signal?: AbortSignal },
    ): Promise<RepositoryCheck[]> {
      requireRegistry(host);
      const { token } = await tokenOf(access, { scopes: [cloudPlatform], signal });
      const asked = new Map<string, Promise<string[] | ProviderError>>();
      const checks: RepositoryCheck[] = [];
      for (const image of repositories) {
        const place = artifactRepository(host, image);
        const key = JSON.stringify(place);
        const answer = place && (asked.get(key) ?? granted(place, token, signal));
        if (answer) asked.set(key, answer);
        checks.push(...checksOf(image, await answer));
      }
      return checks;
    },
  };
}

const refusalsOfStrangers: readonly ProviderErrorCode[] = ['federation_refused', 'impersonation_denied'];
const notPinned =
  'The service account lets in whomever Fairlead’s tokens are of, and so others who use this Fairlead: grant it to the ' +
  'one subject rather than to the whole pool, and pin the subject in the provider’s condition';

/** A token of Google's works at no other cloud. Sovereign clouds have tokens of their own. */
function requireRegistry(host: string): void {
  const registry = registryHost(host);
  if (registry?.kind === 'gar' && registry.host === host && registry.universe === 'googleapis.com') return;
  throw new ProviderError({ provider: 'gcp', code: 'validation', message: 'That is not a registry of Google’s' });
}

function checksOf(repository: string, held: string[] | ProviderError | undefined): RepositoryCheck[] {
  return (['pull', 'push'] as const).map((action) => {
    if (held === undefined) return { repository, action, outcome: 'unproven', code: 'validation' };
    if (held instanceof ProviderError) {
      // Google distinguishes "no such repository" from "no access" only for callers that may see the repository.
      const isHidden = held.code === 'permission_missing';
      if (isHidden) return { repository, action, outcome: 'denied', code: 'not_found' };
      return { repository, action, outcome: 'unproven', code: held.code };
    }
    if (held.includes(permissions[action])) return { repository, action, outcome: 'allowed' };
    return { repository, action, outcome: 'denied', code: 'permission_missing' };
  });
}

function originsWith(endpoints: GcpDeps['endpoints'] = {}): ReadonlyMap<string, string> {
  const places = Object.entries(googleOrigins) as [keyof typeof googleOrigins, string][];
  return new Map(places.map(([name, origin]) => [origin, endpoints[name] ?? origin]));
}
