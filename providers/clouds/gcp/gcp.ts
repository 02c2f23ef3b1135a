import { type ArtifactRepository, artifactRepository } from '../../../domain/clouds/gcp-names.ts';
import { registryHost } from '../../../domain/registries/registry-hosts.ts';
import type {
  RegistryCredential,
  RegistryPurpose,
  RepositoryCheck,
} from '../../../domain/registries/registry-purposes.ts';
import type { Fetch } from '../../egress/guarded-fetch.ts';
import { ProviderError, type ProviderErrorCode } from '../../failure.ts';
import { watchFetch } from '../watched-fetch.ts';
import { googleFailure } from './gcp-failures.ts';
import { type GcpAccess, type GoogleToken, googleOrigins, googleToken } from './gcp-token.ts';

export type GcpDeps = {
  fetch: Fetch;
  timeoutMs: number;
  now: () => number;
  /** Where else Google is, for tests. */
  endpoints?: Partial<typeof googleOrigins>;
};

export type GarCredentialWanted = {
  host: string;
  /** Google does not narrow to them. */
  repositories?: string[];
  actions: RegistryPurpose[];
  /** What must be left of the token's life, which may be told Google for a service account that is acted for. */
  minTtlMs: number;
  signal?: AbortSignal;
};

type Wanted = { scopes: string[]; minTtlMs?: number; signal?: AbortSignal | undefined };

export type Gcp = ReturnType<typeof createGcp>;

const cloudPlatform = 'https://www.googleapis.com/auth/cloud-platform';
/** The second is what a machine of Google's pulls with by default. */
const readOnly = [`${cloudPlatform}.read-only`, 'https://www.googleapis.com/auth/devstorage.read_only'];

/** The most that Google gives; above the first, a policy of the organization has to allow it. */
const usualSeconds = 3600;
const longestSeconds = 12 * 3600;
/** What the way here may take of a token's life. */
const spareSeconds = 60;

const permissions = {
  pull: 'artifactregistry.repositories.downloadArtifacts',
  push: 'artifactregistry.repositories.uploadArtifacts',
} as const satisfies Record<RegistryPurpose, string>;

/** Google’s registries, by an account’s access. All throw `ProviderError`. */
export function createGcp({ fetch, timeoutMs, now, endpoints }: GcpDeps) {
  const origins = originsWith(endpoints);
  const watch = (signal?: AbortSignal) => watchFetch({ fetch, timeoutMs, origins, signal });

  async function tokenOf(access: GcpAccess, wanted: Wanted): Promise<GoogleToken> {
    const { scopes, minTtlMs = 0, signal } = wanted;
    const needed = Math.ceil(minTtlMs / 1000) + spareSeconds;
    const lifetimeSeconds = Math.min(longestSeconds, Math.max(usualSeconds, needed));
    return googleToken(access, { scopes, lifetimeSeconds }, watch(signal), now);
  }

  /** One answer for both actions on one repository, without touching it. */
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
        // None at all is told by an empty answer.
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
     * Has Google let the account in, which is all that it says of itself without a further API. Throws where others who
     * use this Fairlead could act for its service account, too. Without one, it is the roles of the pool's principals
     * that count, which nobody can ask for.
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
     * Good for everything that the account may reach, on every host of Google's: tokens for a part exist for storage
     * alone. Only pulling can be told apart, by a scope that reads; a person's consent has its scope once and for all.
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

    /** Whether the account may pull from and push to where each image lies. */
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

/** A token of Google's is for nobody else: sovereign clouds have tokens of their own. */
function requireRegistry(host: string): void {
  const registry = registryHost(host);
  if (registry?.kind === 'gar' && registry.host === host && registry.universe === 'googleapis.com') return;
  throw new ProviderError({ provider: 'gcp', code: 'validation', message: 'That is not a registry of Google’s' });
}

function checksOf(repository: string, held: string[] | ProviderError | undefined): RepositoryCheck[] {
  return (['pull', 'push'] as const).map((action) => {
    if (held === undefined) return { repository, action, outcome: 'unproven', code: 'validation' };
    if (held instanceof ProviderError) {
      // Google tells "no such repository" and "not for you" apart for those alone who may see it.
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
