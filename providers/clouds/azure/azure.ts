import { azureClouds } from '../../../domain/clouds/azure-clouds.ts';
import { isRepositoryName } from '../../../domain/registries/image-repository.ts';
import { registryHost } from '../../../domain/registries/registry-hosts.ts';
import type {
  RegistryCredential,
  RegistryPurpose,
  RepositoryCheck,
} from '../../../domain/registries/registry-purposes.ts';
import type { Fetch } from '../../egress/guarded-fetch.ts';
import { ProviderError } from '../../failure.ts';
import { watchFetch } from '../watched-fetch.ts';
import { acrFailure, roleAdvice } from './azure-failures.ts';
import { type AzureAccess, claimsOf, entraToken, grantedBy } from './azure-token.ts';

export type AzureDeps = {
  fetch: Fetch;
  timeoutMs: number;
  now: () => number;
  /** Replaces the addresses of Entra and of every registry, for tests. */
  endpoints?: { entra?: string; registry?: string };
};

export type AcrCredentialWanted = {
  host: string;
  /** If absent, the token reaches everything that the app may reach. */
  repositories?: string[];
  actions: RegistryPurpose[];
  /** The minimum remaining lifetime. The registry alone decides the lifetime. */
  minTtlMs: number;
  signal?: AbortSignal;
};

export type Azure = ReturnType<typeof createAzure>;

/** The user name for a login with a token. It names nobody. */
const nobody = '00000000-0000-0000-0000-000000000000';

/** The client of Azure's registries, with an app's access. Each method throws a `ProviderError`. */
export function createAzure({ fetch, timeoutMs, now, endpoints = {} }: AzureDeps) {
  function entraWatch({ cloud }: AzureAccess, signal: AbortSignal | undefined) {
    const { authority, alias } = azureClouds[cloud];
    const names = alias === undefined ? [authority] : [authority, alias];
    const origins = new Map(names.map((name) => [name, endpoints.entra ?? name]));
    return () => watchFetch({ fetch, timeoutMs, origins, signal });
  }

  /** Both endpoints of a registry take a form and return a token in JSON. */
  async function post(
    host: string,
    path: 'exchange' | 'token',
    form: URLSearchParams,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    const origin = `https://${host}`;
    const origins = new Map([[origin, endpoints.registry ?? origin]]);
    const watched = watchFetch({ fetch, timeoutMs, origins, signal });
    try {
      const answer = await watched.fetch(`${origin}/oauth2/${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
        body: form.toString(),
      });
      const token = watched.last()?.body[path === 'exchange' ? 'refresh_token' : 'access_token'];
      if (answer.status === 200 && typeof token === 'string') return token;
    } catch {
      // The watched exchange knows more.
    }
    throw acrFailure(watched.last(), now());
  }

  async function refreshToken(access: AzureAccess, host: string, signal: AbortSignal | undefined): Promise<string> {
    requireRegistry(access, host);
    const entra = await entraToken(access, entraWatch(access, signal), now);
    const form = { grant_type: 'access_token', service: host, tenant: access.tenantId, access_token: entra };
    return post(host, 'exchange', new URLSearchParams(form), signal);
  }

  /** A registry grants less than requested without an error. */
  async function scopedToken(
    host: string,
    refresh: string,
    { repositories, actions }: { repositories: string[]; actions: RegistryPurpose[] },
    signal: AbortSignal | undefined,
  ): Promise<string> {
    const form = new URLSearchParams({ grant_type: 'refresh_token', service: host, refresh_token: refresh });
    const all = actions.includes('push') ? 'pull,push' : 'pull';
    for (const name of repositories) {
      // A scope is a list in one text, so an invalid name could add a second entry.
      if (!isRepositoryName(name)) throw invalid(`${JSON.stringify(name)} is not the name of a repository`);
      form.append('scope', `repository:${name}:${all}`);
    }
    return post(host, 'token', form, signal);
  }

  /** Throws if the token expires too soon. */
  function expiryOf(token: string, minTtlMs: number): number {
    const { exp } = claimsOf(token);
    if (typeof exp !== 'number') throw unexpected();
    if (exp * 1000 - now() >= minTtlMs) return exp * 1000;
    const minutes = Math.floor(Math.max(0, exp * 1000 - now()) / 60_000);
    const message = `The registry’s token lives for ${minutes} minutes, which is less than was asked for`;
    throw new ProviderError({ provider: 'azure', code: 'lifetime_too_short', message });
  }

  return {
    /** Signs the app in at Entra. Only the registry says what the app may do there. */
    async proveAccess(access: AzureAccess, signal?: AbortSignal): Promise<void> {
      await entraToken(access, entraWatch(access, signal), now);
    },

    /**
     * Returns a token for these repositories only. Without repositories, the token allows everything that the app's
     * roles allow.
     */
    async acrCredential(access: AzureAccess, wanted: AcrCredentialWanted): Promise<RegistryCredential> {
      const { host, repositories = [], actions, minTtlMs, signal } = wanted;
      const refresh = await refreshToken(access, host, signal);
      if (repositories.length === 0) {
        return {
          host,
          username: nobody,
          password: refresh,
          expiresAt: expiryOf(refresh, minTtlMs),
          effective: {
            repositories: '*',
            actions: ['pull', 'push'],
            narrowedTo: 'identity',
            note: 'Without repositories, the credential allows everything that the app’s roles on the registry allow.',
          },
        };
      }

      const token = await scopedToken(host, refresh, { repositories, actions }, signal);
      const granted = grantedBy(token);
      const effective = actions.includes('push') ? (['pull', 'push'] as const) : (['pull'] as const);
      for (const name of repositories) {
        const missing = effective.find((action) => !granted(name).has(action));
        if (missing) throw roleMissing(name, missing);
      }
      const expiresAt = expiryOf(token, minTtlMs);
      return {
        host,
        username: nobody,
        password: token,
        bearer: token,
        expiresAt,
        effective: { repositories: [...repositories], actions: [...effective], narrowedTo: 'repository' },
      };
    },

    /** Returns whether the app may pull from and push to each repository, from what the registry would grant. */
    async testPermissions(
      access: AzureAccess,
      { host, repositories, signal }: { host: string; repositories: string[]; signal?: AbortSignal },
    ): Promise<RepositoryCheck[]> {
      try {
        const refresh = await refreshToken(access, host, signal);
        const checks: RepositoryCheck[] = [];
        for (const repository of repositories) {
          const asked = { repositories: [repository], actions: [...both] };
          const held = await scopedToken(host, refresh, asked, signal).then(grantedBy, noneIfDenied);
          checks.push(...checksOf(repository, held(repository)));
        }
        return checks;
      } catch (error) {
        const held = noneIfDenied(error);
        return repositories.flatMap((repository) => checksOf(repository, held(repository)));
      }
    },
  };
}

const both = ['pull', 'push'] as const;
const denied = 'registry_role_missing';

function checksOf(repository: string, held: Set<string>): RepositoryCheck[] {
  return both.map((action) =>
    held.has(action)
      ? { repository, action, outcome: 'allowed' }
      : { repository, action, outcome: 'denied', code: denied },
  );
}

/**
 * Treats a missing role as a denial. If the app has no role on the registry, Azure refuses earlier. Any other error is
 * no result.
 */
function noneIfDenied(error: unknown): (name: string) => Set<string> {
  if (error instanceof ProviderError && error.code === denied) return () => new Set();
  throw error;
}

/** Rejects registries of other Azure clouds, because a token of one cloud's Entra is valid only there. */
function requireRegistry({ cloud }: AzureAccess, host: string): void {
  const registry = registryHost(host);
  if (registry?.kind === 'acr' && registry.host === host && registry.cloud === cloud) return;
  throw invalid('That is not a registry of the Azure cloud that the account is in');
}

function invalid(message: string): ProviderError {
  return new ProviderError({ provider: 'azure', code: 'validation', message });
}

function roleMissing(repository: string, action: RegistryPurpose): ProviderError {
  const verb = action === 'push' ? 'push to' : 'pull from';
  const message = `The app may not ${verb} ${repository}: ${roleAdvice}`;
  return new ProviderError({ provider: 'azure', code: denied, message, settling: true });
}

function unexpected(): ProviderError {
  const message = 'The registry’s token does not say how long it lives';
  return new ProviderError({ provider: 'azure', code: 'unexpected', message });
}
