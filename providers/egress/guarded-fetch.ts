import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import { Agent, fetch as undiciFetch } from 'undici';
import type { AllowedHost } from '../../domain/connect/allowed-hosts.ts';
import { checkUrl } from './addresses.ts';
import { EgressError, egressErrorIn } from './egress-error.ts';
import { pinnedConnector, type Resolve, resolveByDns } from './pinned-connect.ts';
import { type Hop, maxRedirects, nextHop, readLimited, refused } from './redirects.ts';

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
