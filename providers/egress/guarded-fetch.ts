import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import { Agent, fetch as undiciFetch } from 'undici';
import type { AllowedHost } from '../../domain/connect/allowed-hosts.ts';
import { checkUrl } from './addresses.ts';
import { EgressError, egressErrorIn } from './egress-error.ts';
import { pinnedConnector, type Resolve, resolveByDns } from './pinned-connect.ts';
import type { ProxySettings } from './proxy.ts';
import { type Hop, maxRedirects, nextHop, readLimited, refused } from './redirects.ts';

/** The part of `fetch` that providers need. Bodies are read whole, so only text and bytes. */
export type Fetch = (url: string | URL, init?: FetchInit) => Promise<Response>;
export type FetchInit = {
  method?: string;
  headers?: NonNullable<RequestInit['headers']>;
  body?: string | Uint8Array | null;
  /** `manual` returns a redirect unchanged. Otherwise reads follow redirects within the host. */
  redirect?: 'follow' | 'manual';
  signal?: AbortSignal | null;
  /** The size limit of this answer, if it differs from the usual one. */
  maxBytes?: number;
};

export type GuardedFetchOptions = {
  allowedHosts: AllowedHost[];
  /** A PEM file with certificates that are trusted in addition to the well-known ones. */
  caFile?: string;
  /** PEM text with the certificates of one host. */
  ca?: string;
  /** The timeout of the whole exchange, redirects and body included. */
  timeoutMs: number;
  /** The size limit of a body after decompression, unless the request sets its own. */
  maxBytes: number;
  resolve?: Resolve;
  /** The operator's proxy for https. */
  proxy?: ProxySettings | undefined;
};

/**
 * The only fetch for addresses that a tenant chose. It allows https on port 443 (and what the operator has allowed), no
 * user in the URL, and no private or reserved network. It follows redirects only within the host and without
 * credentials to another origin, with a timeout and a size limit. Throws an `EgressError`; an abort by the caller is
 * thrown as the caller's reason. Throws at once if `ca` is not a certificate.
 */
export function createGuardedFetch(options: GuardedFetchOptions): Fetch {
  const { allowedHosts, timeoutMs, maxBytes, resolve = resolveByDns, proxy } = options;
  const ca = trustOf(options);
  const agent = new Agent({ connect: pinnedConnector(allowedHosts, resolve, { ...ca, timeout: timeoutMs }, proxy) });

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

/**
 * Returns the TLS option that trusts these certificates beside the well-known ones. Without any, Node's default
 * applies.
 */
export function trustOf({ caFile, ca }: Pick<GuardedFetchOptions, 'caFile' | 'ca'>): { ca?: string[] } {
  const own = [...(caFile === undefined ? [] : [readFileSync(caFile, 'utf8')]), ...(ca === undefined ? [] : [ca])];
  // TLS itself ignores an invalid certificate without an error.
  if (ca !== undefined) new X509Certificate(ca);
  return own.length === 0 ? {} : { ca: [...rootCertificates, ...own] };
}

function parse(address: string | URL): URL {
  if (URL.canParse(String(address))) return new URL(address);
  throw new EgressError('host_not_allowed', 'Refused something that is no address', { unsent: true });
}

type Answer = { status: number; statusText: string; headers: Iterable<[string, string]> };

function toResponse({ status, statusText, headers }: Answer, body: Uint8Array): Response {
  // The body is already decompressed, and a response with a bodiless status must not get one.
  const kept = [...headers].filter(([name]) => name !== 'content-encoding' && name !== 'content-length');
  return new Response([204, 205, 304].includes(status) ? null : body, { status, statusText, headers: kept });
}

function toEgressError(error: unknown, hostname: string, timedOut: boolean): EgressError {
  const known = egressErrorIn(error);
  if (known) return known;
  if (timedOut) return new EgressError('timeout', `${hostname} did not answer in time`);
  return new EgressError('unreachable', `The connection to ${hostname} broke`);
}
