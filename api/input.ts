import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import type { PageRequest } from '../db/page.ts';
import { type IdPrefix, idPattern } from '../domain/ids.ts';
import { Problem } from './problems.ts';

const maxJsonBytes = 256 * 1024;

export const id = (prefix: IdPrefix) =>
  z.string().regex(idPattern(prefix), `must be an id that begins with ${prefix}_`);
export const name = z.string().trim().min(1).max(100);
/** Seconds since 1970, as all times in the API. */
export const epochSeconds = z.int();

export const PageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(200).default(50).describe('How many at most'),
  cursor: z.string().max(200).optional().describe('From the `Link` header of the page before'),
});

export function pageRequest({ limit, cursor }: z.output<typeof PageQuery>): PageRequest {
  if (cursor === undefined) return { limit };
  const after = Buffer.from(cursor, 'base64url').toString('utf8');
  if (!/^[a-z]+_[0-9a-z]{26}$/.test(after)) {
    throw new Problem('invalid_request', 'Take the cursor from the `Link` header of the page before.', {
      errors: [{ path: 'query.cursor', message: 'is not a cursor of this API' }],
    });
  }
  return { limit, after };
}

export function cursorAfter(lastId: string): string {
  return Buffer.from(lastId).toString('base64url');
}

export function toSeconds(ms: number): number;
export function toSeconds(ms: number | null): number | null;
export function toSeconds(ms: number | null): number | null {
  return ms === null ? null : Math.floor(ms / 1000);
}

/** Throws a `Problem` that names each field that is not as the schema says. Values are not repeated. */
export function check<Schema extends z.ZodType>(where: string, schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.map(({ path, message }) => ({ path: [where, ...path].join('.'), message }));
  throw new Problem(
    'invalid_request',
    errors
      .map(({ path, message }) => `${path}: ${message}`)
      .join('; ')
      .slice(0, 500),
    {
      errors,
    },
  );
}

/** Reads a JSON body of at most 256 KiB, which must say that it is one. */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const { headers } = request;
  if (!/^application\/(json|[\w.-]+\+json)\s*(;|$)/i.test(headers['content-type'] ?? '')) {
    throw new Problem('unsupported_media_type', 'Send the body as `Content-Type: application/json`.');
  }
  if (headers['content-encoding']) throw new Problem('unsupported_media_type', 'Send the body uncompressed.');
  const text = (await readBytes(request)).toString('utf8');
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem('invalid_request', 'The body is not valid JSON.', {
      errors: [{ path: 'body', message: 'is not valid JSON' }],
    });
  }
}

export async function readBytes(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxJsonBytes) {
      throw new Problem('body_too_large', 'A body has at most 256 KiB.', { headers: { connection: 'close' } });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
