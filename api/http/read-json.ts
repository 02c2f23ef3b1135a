import type { IncomingMessage } from 'node:http';
import { Problem } from './problems.ts';
import { readBody, swallow } from './read-body.ts';

const maxBytes = 256 * 1024;
const maxDepth = 32;
/** By which a careless merge further on would reach every object there is. */
const reservedKeys = new Set(['__proto__', 'constructor', 'prototype']);

/** Reads a JSON body of at most 256 KiB, which must say that it is one. */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const { headers } = request;
  if (!/^application\/(json|[\w.-]+\+json)\s*(;|$)/i.test(headers['content-type'] ?? '')) {
    throw new Problem('unsupported_media_type', 'Send the body as `Content-Type: application/json`.');
  }
  if (headers['content-encoding']) throw new Problem('unsupported_media_type', 'Send the body uncompressed.');
  const bytes = await readBytes(request);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw unfit('is not valid JSON in UTF-8');
  }
  const flaw = flawOf(value);
  if (flaw) throw unfit(flaw);
  return value;
}

export async function readBytes(request: IncomingMessage): Promise<Buffer> {
  const body = await readBody(request, { maxBytes });
  if (typeof body !== 'string') return body;
  swallow(request);
  if (body === 'broken_off') throw unfit('broke off');
  if (body === 'too_slow') throw unfit('came too slowly');
  throw new Problem('body_too_large', 'A body has at most 256 KiB.', { headers: { connection: 'close' } });
}

function unfit(message: string): Problem {
  return new Problem('invalid_request', `The body ${message}.`, { errors: [{ path: 'body', message }] });
}

/** What no schema of ours can mean, and what hurts whoever handles it later: looked for without recursion. */
function flawOf(root: unknown): string | undefined {
  let level: unknown[] = [root];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > maxDepth) return `is nested deeper than ${maxDepth} levels`;
    const next: unknown[] = [];
    for (const value of level) {
      // Postgres keeps no NUL in a text.
      if (typeof value === 'string' && value.includes('\0')) return 'holds a NUL character';
      // UTF-8 cannot encode a lone surrogate: the stored text would differ, and encodeURIComponent throws.
      if (typeof value === 'string' && !value.isWellFormed()) return 'holds half of a surrogate pair';
      if (typeof value !== 'object' || value === null) continue;
      for (const [key, inner] of Object.entries(value)) {
        if (reservedKeys.has(key)) return `has a field named ${key}`;
        next.push(key, inner);
      }
    }
    level = next;
  }
  return undefined;
}
