import type { ClientSecretCredentialOptions } from '@azure/identity';
import { azureClouds, azureId } from '../../../domain/clouds/azure-clouds.ts';
import type { AzureCloud } from '../../../domain/registries/registry-hosts.ts';
import { ProviderError } from '../../failure.ts';
import { objectIn, type WatchedFetch } from '../watched-fetch.ts';
import { entraFailure, entraNumber } from './azure-failures.ts';

export type AzureAccess = { tenantId: string; clientId: string; cloud: AzureCloud } & (
  | {
      mode: 'federated';
      /** Returns a token of ours for that audience. Its errors are passed on. */
      assertion(audience: string): Promise<string>;
    }
  | { mode: 'client_secret'; clientSecret: string }
);

type HttpClient = NonNullable<ClientSecretCredentialOptions['httpClient']>;
type HttpHeaders = Awaited<ReturnType<HttpClient['sendRequest']>>['headers'];

/** Every registry accepts this audience, even if tokens for the Resource Manager are disabled. */
const registryScope = 'https://containerregistry.azure.net/.default';
/** The tenant has no service of that name. This happens in some of Microsoft's separate clouds. */
const unknownResource = 500011;

/** Returns an Entra token that registries accept. `watch` is called for each attempt. Throws a `ProviderError`. */
export async function entraToken(access: AzureAccess, watch: () => WatchedFetch, now: () => number): Promise<string> {
  const { tenantId, clientId, cloud } = access;
  if (!azureId.test(tenantId) || !azureId.test(clientId)) {
    const message = 'A tenant and a client are named by their ids';
    throw new ProviderError({ provider: 'azure', code: 'validation', message });
  }
  // Created outside the `try`, because our own failures are not Entra's fault.
  const proof =
    access.mode === 'federated' ? await access.assertion(azureClouds[cloud].federationAudience) : access.clientSecret;

  const first = await ask(access, proof, registryScope, watch());
  if (typeof first === 'string') return first;
  if (!first.seen || entraNumber(first.seen) !== unknownResource) throw entraFailure(first.seen, now());

  const second = await ask(access, proof, `${azureClouds[cloud].resourceManager}/.default`, watch());
  if (typeof second === 'string') return second;
  throw entraFailure(second.seen, now());
}

type Refused = { seen: ReturnType<WatchedFetch['last']> };

async function ask(
  access: AzureAccess,
  proof: string,
  scope: string,
  watched: WatchedFetch,
): Promise<string | Refused> {
  const { tenantId, clientId, cloud } = access;
  const options = {
    authorityHost: azureClouds[cloud].authority,
    // The authority is one of the constants above, so no request has to verify that it is Microsoft's.
    disableInstanceDiscovery: true,
    httpClient: httpClientOver(watched),
    // The caller does the retries. The library's own would multiply them.
    retryOptions: { maxRetries: 0 },
    redirectOptions: { maxRetries: 0 },
  };
  // Loaded on first use. Otherwise every start would spend most of a second on it.
  const { ClientAssertionCredential, ClientSecretCredential } = await import('@azure/identity');
  try {
    const credential =
      access.mode === 'federated'
        ? new ClientAssertionCredential(tenantId, clientId, async () => proof, options)
        : new ClientSecretCredential(tenantId, clientId, proof, options);
    const { token } = await credential.getToken(scope);
    if (token !== '') return token;
  } catch {
    // The watched exchange knows more, and the library's error contains the request.
  }
  return { seen: watched.last() };
}

function httpClientOver(watched: WatchedFetch): HttpClient {
  return {
    async sendRequest(request) {
      const { url, method, headers, body } = request;
      const answer = await watched.fetch(url, {
        method,
        headers: headers.toJSON(),
        body: typeof body === 'string' ? body : null,
      });
      return { request, status: answer.status, headers: headersOf(answer), bodyAsText: await answer.text() };
    },
  };
}

function headersOf({ headers }: Response): HttpHeaders {
  return {
    get: (name) => headers.get(name) ?? undefined,
    has: (name) => headers.has(name),
    set: (name, value) => headers.set(name, String(value)),
    delete: (name) => headers.delete(name),
    toJSON: () => Object.fromEntries(headers),
    [Symbol.iterator]: () => headers.entries(),
  };
}

/** Reads a token that came from the registry itself over TLS, so its signature needs no check. */
export function claimsOf(token: string): Record<string, unknown> {
  return objectIn(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
}

/** The access of a scoped token, by repository. */
export function grantedBy(token: string): (repository: string) => Set<string> {
  const { access } = claimsOf(token);
  const entries: unknown[] = Array.isArray(access) ? access : [];
  return (repository) => {
    const granted = new Set<string>();
    for (const entry of entries) {
      const { type, name, actions } = (entry ?? {}) as Record<string, unknown>;
      if (type !== 'repository' || name !== repository || !Array.isArray(actions)) continue;
      for (const action of actions) granted.add(String(action));
    }
    return granted.has('*') ? new Set(['pull', 'push']) : granted;
  };
}
