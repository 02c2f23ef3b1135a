import { EgressError } from './egress-error.ts';

export const maxRedirects = 3;

/**
 * The only headers that follow a redirect to another origin. An allow-list, because every provider has its own token
 * header.
 */
const harmless = new Set(['accept', 'accept-language', 'git-protocol', 'range', 'user-agent']);

const redirects = new Set([301, 302, 303, 307, 308]);

export type Hop = { url: URL; headers: Headers };

/**
 * Returns the next URL, or undefined if the answer is not a redirect. Only reads follow one, and only within a host.
 */
export function nextHop(
  from: Hop,
  method: string,
  answer: { status: number; headers: { get(name: string): string | null } },
): Hop | undefined {
  const location = answer.headers.get('location');
  if (!redirects.has(answer.status) || location === null) return undefined;
  if (!['GET', 'HEAD'].includes(method)) throw refused(from, 'answered a write with a redirect');
  if (!URL.canParse(location, from.url.href)) throw refused(from, 'redirects to something that is no address');

  const url = new URL(location, from.url);
  if (url.hostname !== from.url.hostname) throw refused(from, 'redirects to another host');
  return { url, headers: url.origin === from.url.origin ? from.headers : onlyHarmless(from.headers) };
}

export function refused(from: Hop, what: string): EgressError {
  return new EgressError('redirect_refused', `${from.url.hostname} ${what}`);
}

function onlyHarmless(headers: Headers): Headers {
  return new Headers([...headers].filter(([name]) => harmless.has(name)));
}

type Chunks = AsyncIterable<Uint8Array>;

/** Reads a decompressed body to its end. Stops as soon as it is longer than `maxBytes`. */
export async function readLimited(body: Chunks | null, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body ?? []) {
    length += chunk.byteLength;
    if (length > maxBytes) throw new EgressError('too_large', `The answer is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}
