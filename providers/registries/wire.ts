import type { AllowedHost } from '../../domain/connect/allowed-hosts.ts';
import { createGuardedFetch, type Fetch } from '../egress/guarded-fetch.ts';
import type { Resolve } from '../egress/pinned-connect.ts';
import type { ProxySettings } from '../egress/proxy.ts';
import { failure, outageOf, silence } from './failures.ts';

/** No request to a registry takes longer, and no answer is longer. */
const timeoutMs = 10_000;
const maxBytes = 64 * 1024;
/** Each fetch keeps its own connections. An evicted one is created again on the next use. */
const mostFetches = 100;

export type FetchWithCa = (ca?: string) => Fetch;

/** The guarded fetch for registries and their token services, one for each certificate authority in use. */
export function registryFetch(options: {
  allowedHosts: AllowedHost[];
  caFile?: string;
  proxy?: ProxySettings | undefined;
  resolve?: Resolve;
  timeoutMs?: number;
}): FetchWithCa {
  const fetches = new Map<string, Fetch>();
  return (ca = '') => {
    const fetch = fetches.get(ca) ?? createGuardedFetch({ timeoutMs, maxBytes, ...options, ...(ca !== '' && { ca }) });
    fetches.delete(ca);
    fetches.set(ca, fetch);
    for (const oldest of fetches.keys()) if (fetches.size > mostFetches) fetches.delete(oldest);
    return fetch;
  };
}

/** The HTTP conversation with one registry. */
export type Wire = { origin: URL; fetch: Fetch; signal: AbortSignal | undefined };

/** `codes` are the registry's own error codes, such as `NAME_UNKNOWN`. */
export type Answer = { status: number; headers: Headers; codes: string[] };

/**
 * Sends a request to a registry. Throws a `ProviderError` if there is no answer, a server error, or a rate-limit
 * rejection.
 */
export async function ask(wire: Wire, method: 'GET' | 'PATCH', path: string, authorization?: string): Promise<Answer> {
  const response = await wire
    .fetch(new URL(path, wire.origin), {
      method,
      headers: {
        accept: manifests,
        ...(method === 'PATCH' && { 'content-type': 'application/octet-stream' }),
        ...(authorization !== undefined && { authorization }),
      },
      // A read may follow redirects within its host. A write counts by its first answer.
      ...(method === 'PATCH' && { redirect: 'manual', body: '' }),
      signal: wire.signal ?? null,
    })
    .catch((error: unknown) => {
      throw silence(error, 'not_a_registry');
    });
  const answer = { status: response.status, headers: response.headers, codes: codesIn(await response.text()) };
  const outage = outageOf(wire.origin.host, answer);
  if (outage) throw outage;
  return answer;
}

const manifests = [
  'application/json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

function codesIn(text: string): string[] {
  const errors = fieldOf(jsonIn(text), 'errors');
  if (!Array.isArray(errors)) return [];
  return errors.map((one) => fieldOf(one, 'code')).filter((code) => typeof code === 'string');
}

export function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

export function basic({ username, password }: { username: string; password: string }): string {
  // HTTP would end the name at the colon, and read the rest as part of the password.
  if (username.includes(':')) throw failure('credentials_rejected', 'A user name must not have a colon in it');
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
}
