import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { Context } from 'koa';

/** Encodings that a response can have. If a client likes several equally, it gets the first of them. */
const encodings = ['br', 'gzip', 'identity'] as const;
type Encoding = (typeof encodings)[number];

/** Higher qualities take seconds for a script of 2 MB, and save less than a tenth. */
const brotliQuality = 6;

const compress: Record<Encoding, (content: Buffer) => Promise<Buffer>> = {
  br: (content) =>
    promisify(brotliCompress)(content, {
      params: { [constants.BROTLI_PARAM_QUALITY]: brotliQuality, [constants.BROTLI_PARAM_SIZE_HINT]: content.length },
    }),
  gzip: (content) => promisify(gzip)(content),
  identity: async (content) => content,
};

/**
 * Serves the same bytes to everyone. Loads them at the first request, and compresses them once for each encoding, off
 * the main thread. Only for public content: the size of a compressed response can reveal a secret in it.
 */
export function precompressed(load: () => Promise<Buffer>): (ctx: Context) => Promise<void> {
  const content = once(load);
  const encodedAs = (encoding: Encoding) =>
    once(async () => {
      const body = await compress[encoding](await content());
      return { body, etag: `"${createHash('sha256').update(body).digest('base64url')}"` };
    });
  const encoded = { br: encodedAs('br'), gzip: encodedAs('gzip'), identity: encodedAs('identity') };

  return async (ctx) => {
    const encoding = preferredEncoding(ctx.get('accept-encoding'));
    const { body, etag } = await encoded[encoding]();
    ctx.vary('Accept-Encoding');
    ctx.set('etag', etag);
    ctx.status = 200;
    if (ctx.fresh) {
      ctx.status = 304;
      return;
    }
    if (encoding !== 'identity') ctx.set('content-encoding', encoding);
    ctx.body = body;
  };
}

/** Makes a value once for all callers. Makes it again only if that failed. */
function once<Value>(make: () => Promise<Value>): () => Promise<Value> {
  let made: Promise<Value> | undefined;
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}

/** https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3. A client that accepts nothing gets the content as it is. */
function preferredEncoding(header: string): Encoding {
  const weights = new Map<string, number>();
  for (const part of header.toLowerCase().split(',')) {
    const [name = '', ...parameters] = part.split(';').map((text) => text.trim());
    const weight = parameters.find((text) => text.startsWith('q='));
    if (name !== '') weights.set(name, weight === undefined ? 1 : Number(weight.slice(2)) || 0);
  }
  // Every client accepts content as it is. A client that wants that most says so.
  const unnamed = (encoding: Encoding) => weights.get('*') ?? (encoding === 'identity' ? 0.0001 : 0);
  let best: Encoding = 'identity';
  let most = 0;
  for (const encoding of encodings) {
    const weight = weights.get(encoding) ?? unnamed(encoding);
    if (weight > most) [best, most] = [encoding, weight];
  }
  return best;
}
