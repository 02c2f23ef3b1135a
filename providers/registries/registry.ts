import { registryHost } from '../../domain/registries/registry-hosts.ts';
import { type Bearer, type BearerRequest, mintBearer } from './bearer.ts';
import { failure } from './failures.ts';
import { type Verification, type VerificationRequest, verify } from './verification.ts';
import type { FetchWithCa, Wire } from './wire.ts';

export type RegistryOptions = {
  /** A host or an origin, in the form that `registryHost` returns. */
  registry: string;
  /** The only other host that may receive the credentials, after a person has agreed to it. */
  pinnedRealm?: string | undefined;
  /** PEM, for a registry with a certificate authority of its own. */
  ca?: string | undefined;
  fetch: FetchWithCa;
  signal?: AbortSignal;
};

/**
 * A registry that implements the distribution protocol: Docker Hub, GHCR, GitLab, Harbor, Quay and all others. Throws a
 * `ProviderError` at once if the address or the certificate is invalid.
 */
export function createRegistry({ registry, pinnedRealm, ca, fetch, signal }: RegistryOptions) {
  const host = registryHost(registry);
  if (!host) throw failure('not_a_registry', 'This is no address of a registry');
  const wire: Wire = { origin: new URL(host.origin), fetch: trusting(fetch, ca), signal };

  return {
    /** Asks the registry itself, and leaves no trace there. */
    verify: (request: Omit<VerificationRequest, 'pinnedRealm'>): Promise<Verification> =>
      verify(wire, host, { ...request, pinnedRealm }),

    mintBearer: (request: Omit<BearerRequest, 'pinnedRealm'>): Promise<Bearer> =>
      mintBearer(wire, host, { ...request, pinnedRealm }),
  };
}

function trusting(fetch: FetchWithCa, ca: string | undefined): Wire['fetch'] {
  try {
    return fetch(ca);
  } catch {
    throw failure('tls_untrusted', 'The certificate of the authority is no PEM certificate');
  }
}
