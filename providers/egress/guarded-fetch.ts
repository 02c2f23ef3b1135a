import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import { Agent, fetch as undiciFetch } from 'undici';
import type { AllowedHost } from '../../domain/connect/allowed-hosts.ts';
import { redact } from '../../domain/secrets/redact.ts';
import { checkUrl } from './allowed.ts';
import { EgressError, egressErrorIn } from './egress-error.ts';
import { pinnedConnector, type Resolve, resolveByDns } from './pinned-connect.ts';
import { readLimited } from './read-limited.ts';
import { type Hop, maxRedirects, nextHop, refused } from './redirects.ts';

/** The part of `fetch` that providers need; bodies are read whole, so text and bytes only. */
export type Fetch = (url: string | URL, init?: FetchInit) => Promise<Response>;
export type FetchInit = {
  method?: string;
  headers?: NonNullable<RequestInit['headers']>;
  body?: string | Uint8Array | null;
  /** `manual` hands a redirect back as it is; otherwise reads follow it within the host. */
  redirect?: 'follow' | 'manual';
  signal?: AbortSignal | null;
  /** Of this answer, where it may be longer than others, or must be shorter. */
  maxBytes?: number;
};

export type GuardedFetchOptions = {
  allowedHosts: AllowedHost[];
  /** Certificates trusted besides the well-known ones, as a PEM file. */
  caFile?: string;
  /** The same as text, of one host's own: PEM. */
  ca?: string;
  /** For the whole exchange, redirects and body included. */
  timeoutMs: number;
  /** Of an answer's body, after decompression, where the request does not say otherwise. */
  maxBytes: number;
  resolve?: Resolve;
};

/**
 * The only way to an address that a tenant chose. https on its usual port (more where the operator says so), no user
 * in the address, no private or reserved network, redirects only within the host and without credentials to another
 * origin, within a time and a size. Throws an `EgressError`; an abort by the caller is thrown as the caller's reason.
 * Throws at once where `ca` is no certificate.
 */
export function createGuardedFetch(options: GuardedFetchOptions): Fetch {
  const { allowedHosts, timeoutMs, maxBytes, resolve = resolveByDns } = options;
  const ca = trustOf(options);
  const agent = new Agent({ connect: pinnedConnector(allowedHosts, resolve, { ...ca, timeout: timeoutMs }) });

  return async (address, init = {}) => {
    const method = (init.method ?? 'GET').toUpperCase();
    const limit = AbortSignal.timeout(timeoutMs);
    const signal = init.signal ? AbortSignal.any([init.signal, limit]) : limit;
    let hop: Hop = { url: parse(address), headers: new Headers(init.headers) };

    try {
      for (let redirects = 0; ; redirects += 1) {
        checkUrl(hop.url, allowedHosts);
        const answer = await undiciFetch(hop.url, {
          method,
          headers: [...hop.headers],
          body: init.body ?? null,
          redirect: 'manual',
          signal,
          dispatcher: agent,
        });
        const next = init.redirect === 'manual' ? undefined : nextHop(hop, method, answer);
        if (!next) return toResponse(answer, await readLimited(answer.body, init.maxBytes ?? maxBytes));

        await answer.body?.cancel();
        if (redirects === maxRedirects) throw refused(hop, 'redirects too often');
        hop = next;
      }
    } catch (error) {
      init.signal?.throwIfAborted();
      throw toEgressError(error, hop.url.hostname, limit.aborted);
    }
  };
}

function trustOf({ caFile, ca }: GuardedFetchOptions): { ca?: string[] } {
  const own = [...(caFile === undefined ? [] : [readFileSync(caFile, 'utf8')]), ...(ca === undefined ? [] : [ca])];
  // TLS itself passes over in silence what is no certificate.
  if (ca !== undefined) new X509Certificate(ca);
  return own.length === 0 ? {} : { ca: [...rootCertificates, ...own] };
}

function parse(address: string | URL): URL {
  if (URL.canParse(String(address))) return new URL(address);
  throw new EgressError('host_not_allowed', 'Refused something that is no address', { unsent: true });
}

type Answer = { status: number; statusText: string; headers: Iterable<[string, string]> };

function toResponse({ status, statusText, headers }: Answer, body: Uint8Array): Response {
  // The body is decompressed by now, and a status without a body must not be given one.
  const kept = [...headers].filter(([name]) => name !== 'content-encoding' && name !== 'content-length');
  return new Response([204, 205, 304].includes(status) ? null : body, { status, statusText, headers: kept });
}

function toEgressError(error: unknown, hostname: string, timedOut: boolean): EgressError {
  const known = egressErrorIn(error);
  if (known) return known;
  if (timedOut) return new EgressError('timeout', `${hostname} did not answer in time`);
  return new EgressError('unreachable', `The connection to ${hostname} broke`);
}

export type ProviderErrorCode =
  | GitHubErrorCode
  | AwsErrorCode
  | GoogleErrorCode
  | AzureErrorCode
  | RegistryErrorCode
  // Known before anybody is asked: no cloud could read our keys.
  | 'issuer_not_public';

export type GitHubErrorCode =
  // Whose fault it is
  | 'app_credentials_rejected'
  | 'clock_skew'
  | 'installation_suspended'
  | 'installation_gone'
  | 'token_rejected'
  | 'permission_missing'
  | 'policy'
  // Come back later
  | 'rate_limited'
  | 'secondary_limited'
  | 'unavailable'
  | 'network'
  | 'timeout'
  // The request
  | 'address_refused'
  | 'not_found'
  | 'moved'
  | 'conflict'
  | 'gone'
  | 'validation'
  | 'unexpected'
  // A build's dispatch
  | 'workflow_file_missing'
  | 'workflow_not_dispatchable'
  | 'workflow_inputs_undeclared'
  | 'workflow_inputs_too_many'
  | 'workflow_disabled'
  | 'actions_disabled'
  | 'ref_missing'
  // Connecting an account
  | 'manifest_code_refused'
  | 'conversion_unauthorized'
  | 'oauth_code_refused'
  | 'client_credentials_rejected'
  | 'redirect_uri_mismatch';

export type AwsErrorCode =
  // Where there is nothing of ours to begin with
  | 'platform_identity_missing'
  | 'platform_identity_refused'
  // The identity
  | 'access_denied'
  | 'account_mismatch'
  | 'assume_role_refused'
  | 'external_id_not_required'
  | 'subject_not_required'
  | 'web_identity_refused'
  | 'invalid_key'
  | 'signature_mismatch'
  | 'region_disabled'
  // The session that was asked for
  | 'policy_malformed'
  | 'policy_too_large'
  | 'session_too_long'
  // Come back later
  | 'session_expired'
  | 'issuer_unreachable'
  // As with everybody
  | CommonErrorCode;

export type GoogleErrorCode =
  // A service account's key, a pool's trust, a service account that is acted for
  | 'key_rejected'
  | 'federation_refused'
  | 'impersonation_denied'
  | 'subject_not_required'
  | 'api_disabled'
  // A person's consent
  | 'consent_ended'
  | 'consent_incomplete'
  | 'oauth_code_refused'
  | 'client_credentials_rejected'
  | 'redirect_uri_mismatch'
  | 'permission_missing'
  // Something of ours that the cloud asks for, and could not read
  | 'issuer_unreachable'
  | 'lifetime_too_short'
  | CommonErrorCode;

export type AzureErrorCode =
  // The app and its tenant
  | 'client_secret_rejected'
  | 'client_secret_expired'
  | 'tenant_not_found'
  | 'app_not_found'
  | 'federation_refused'
  | 'audience_unknown'
  | 'policy'
  // The registry
  | 'registry_role_missing'
  | 'registry_not_found'
  | 'network_rules'
  | 'issuer_unreachable'
  | 'lifetime_too_short'
  | CommonErrorCode;

export type RegistryErrorCode =
  // The address, and where it wants credentials sent
  | 'not_a_registry'
  | 'tls_untrusted'
  | 'realm_not_trusted'
  | 'token_unusable'
  | 'bearer_unsupported'
  // The credential
  | 'credentials_missing'
  | 'credentials_rejected'
  | 'credentials_unproven'
  | 'policy'
  // A repository
  | 'not_visible'
  | 'pull_denied'
  | 'pull_unproven'
  | 'push_denied'
  | 'push_unproven'
  // Come back later
  | 'secondary_limited'
  | CommonErrorCode;

/** What may go wrong wherever something is asked. */
type CommonErrorCode = Extract<
  GitHubErrorCode,
  | 'clock_skew'
  | 'rate_limited'
  | 'unavailable'
  | 'network'
  | 'timeout'
  | 'address_refused'
  | 'validation'
  | 'unexpected'
>;

export type ProviderFailure = {
  provider: string;
  code: ProviderErrorCode;
  message: string;
  /** HTTP status; absent where no answer came. */
  status?: number;
  /** How long the provider asks to be left alone. */
  retryAfterMs?: number;
  /** True where the effect may have happened although no answer says so. */
  ambiguous?: boolean;
  /** True where something that was made a moment ago is refused like this, and accepted within a minute. */
  settling?: boolean;
};

const longestPauseMs = 24 * 60 * 60_000;

/** Limits a pause that a host asks for. Headers, timers and Temporal's retries cannot hold a million years. */
function boundedPause(ms: number): number {
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(ms, 0), longestPauseMs);
}

/**
 * What went wrong at a provider, in words that may be logged, stored and shown. It never carries the request, the
 * answer or the error below it: those hold tokens.
 */
export class ProviderError extends Error {
  override readonly name = 'ProviderError';
  readonly provider: string;
  readonly code: ProviderErrorCode;
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;
  readonly ambiguous: boolean;
  readonly settling: boolean;

  constructor(failure: ProviderFailure) {
    const { provider, code, message, status, retryAfterMs, ambiguous = false, settling = false } = failure;
    super(redact(message));
    this.provider = provider;
    this.code = code;
    this.status = status;
    this.retryAfterMs = retryAfterMs === undefined ? undefined : boundedPause(retryAfterMs);
    this.ambiguous = ambiguous;
    this.settling = settling;
  }
}
