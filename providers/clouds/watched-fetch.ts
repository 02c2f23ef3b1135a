import type { Fetch, FetchInit } from '../egress/guarded-fetch.ts';

/** The library's last request, and its result. */
export type Exchange = {
  /** The URL that the library meant, even if a test replaces its host. */
  origin: string;
  status: number | undefined;
  headers: Headers;
  /** The parsed body, if it is a JSON object. */
  body: Record<string, unknown>;
  /** What `fetch` threw. */
  failure: unknown;
};

export type WatchOptions = {
  fetch: Fetch;
  timeoutMs: number;
  /** The only origins that may be called, with the address of each. */
  origins: ReadonlyMap<string, string>;
  signal?: AbortSignal | undefined;
};

export type WatchedFetch = { fetch: Fetch; last(): Exchange | undefined };

/**
 * A fetch for the libraries of clouds. They wrap failures in errors that contain the request and its secrets, and some
 * follow an address from a file. So this fetch keeps the answer for an error of our own. It calls only the cloud's own
 * origins, with a timeout and without following redirects.
 */
export function watchFetch({ fetch, timeoutMs, origins, signal }: WatchOptions): WatchedFetch {
  let last: Exchange | undefined;
  return {
    last: () => last,
    async fetch(address, init = {}) {
      const url = new URL(address);
      const exchange: Exchange = {
        origin: url.origin,
        status: undefined,
        headers: new Headers(),
        body: {},
        failure: undefined,
      };
      last = exchange;
      const origin = origins.get(url.origin);
      if (origin === undefined) throw new Error(`Not an address of this cloud: ${url.host}`);

      try {
        const answer = await fetch(`${origin}${url.pathname}${url.search}`, {
          ...plain(init),
          redirect: 'manual',
          signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal ? [signal] : [])]),
        });
        const text = await answer.text();
        exchange.status = answer.status;
        exchange.headers = answer.headers;
        exchange.body = objectIn(text);
        return new Response([204, 205, 304].includes(answer.status) ? null : text, answer);
      } catch (error) {
        exchange.failure = error;
        throw error;
      }
    },
  };
}

/** Libraries pass a form as an object. The platform's own `fetch` would add its content type. */
function plain({ method, headers, body }: FetchInit): FetchInit {
  const asked = new Headers(headers);
  const given: unknown = body;
  if (given instanceof URLSearchParams && !asked.has('content-type')) {
    asked.set('content-type', 'application/x-www-form-urlencoded');
  }
  const text = given === undefined || given === null || given instanceof Uint8Array ? given : String(given);
  return { ...(method === undefined ? {} : { method }), headers: asked, body: text ?? null };
}

export function objectIn(text: string): Record<string, unknown> {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === 'object' && body !== null && !Array.isArray(body) ? (body as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
