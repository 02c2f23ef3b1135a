import type { Fetch, FetchInit } from '../egress/guarded-fetch.ts';

/** The last thing that a library asked, and what came of it. */
export type Exchange = {
  /** As the library meant it, whatever stands in for it. */
  origin: string;
  status: number | undefined;
  headers: Headers;
  /** Parsed, where it is an object in JSON. */
  body: Record<string, unknown>;
  /** What `fetch` threw. */
  failure: unknown;
};

export type WatchOptions = {
  fetch: Fetch;
  timeoutMs: number;
  /** The only origins that may be asked, and where each of them is. */
  origins: ReadonlyMap<string, string>;
  signal?: AbortSignal | undefined;
};

export type WatchedFetch = { fetch: Fetch; last(): Exchange | undefined };

/**
 * For libraries of clouds: they wrap what went wrong in errors of their own, with the request and its secrets in them,
 * and some follow an address out of a file. So the answer is kept here for a failure of our own making, and nothing but
 * the cloud's own origins is asked, each within a time and without following a redirect.
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

/** Libraries give a form as an object, whose content type the platform's own `fetch` would have told. */
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
