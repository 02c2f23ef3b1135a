import type { IncomingMessage } from 'node:http';
import { Problem } from './problems.ts';

export type BodyRefusal = 'too_large' | 'too_many' | 'too_slow' | 'broken_off';

/** Bounds what is held in memory of bodies that are still arriving, over all requests together. */
export type BodyBudget = {
  /** False where there is no room for that many more: over all, or of what this sender may have of it. */
  take(sender: string, bytes: number): boolean;
  give(sender: string, bytes: number): void;
};

export type BodyPace = {
  /** How long nothing may come. */
  silentMs: number;
  /** From then on the whole body must have come at this pace at least. */
  graceMs: number;
  bytesPerSecond: number;
};

/** GitHub itself gives a webhook 10 seconds in all (https://docs.github.com/en/webhooks/using-webhooks/best-practices-for-using-webhooks). */
const usualPace: BodyPace = { silentMs: 10_000, graceMs: 15_000, bytesPerSecond: 128 * 1024 };

/** How long the rest of a refused body is swallowed, so that the caller gets to read the answer. */
const swallowMs = 5_000;

export function createBodyBudget({ maxBytes, maxBytesOfOne }: { maxBytes: number; maxBytesOfOne: number }): BodyBudget {
  const bySender = new Map<string, number>();
  let all = 0;
  return {
    take(sender, bytes) {
      const own = (bySender.get(sender) ?? 0) + bytes;
      bySender.set(sender, own);
      all += bytes;
      return all <= maxBytes && own <= maxBytesOfOne;
    },
    give(sender, bytes) {
      const own = (bySender.get(sender) ?? 0) - bytes;
      if (own > 0) bySender.set(sender, own);
      else bySender.delete(sender);
      all -= bytes;
    },
  };
}

/**
 * Reads the whole body as it came; refuses it as soon as it is too long or comes too slowly. What still comes is the
 * caller's to swallow.
 */
export async function readBody(
  request: IncomingMessage,
  {
    maxBytes,
    budget,
    sender = '',
    pace = usualPace,
  }: { maxBytes: number; budget?: BodyBudget; sender?: string; pace?: BodyPace },
): Promise<Buffer | BodyRefusal> {
  const chunks: Buffer[] = [];
  let size = 0;
  const refusal = await new Promise<BodyRefusal | undefined>((resolve) => {
    const watch = watchPace(pace, () => finish('too_slow'));
    const finish = (refused?: BodyRefusal) => {
      watch.stop();
      request.off('data', take).off('end', finish).off('close', breakOff).off('error', breakOff);
      resolve(refused);
    };
    const breakOff = () => finish('broken_off');
    const take = (chunk: Buffer) => {
      size += chunk.length;
      chunks.push(chunk);
      watch.note(size);
      const fits = budget?.take(sender, chunk.length) ?? true;
      if (size > maxBytes) finish('too_large');
      else if (!fits) finish('too_many');
    };
    request
      .on('data', take)
      .on('end', () => finish())
      .on('close', breakOff)
      .on('error', breakOff);
    if (request.destroyed) breakOff();
  });
  budget?.give(sender, size);
  if (refusal) return refusal;
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size);
}

/** Looks now and then whether enough has come. */
function watchPace({ silentMs, graceMs, bytesPerSecond }: BodyPace, tooSlow: () => void) {
  const started = performance.now();
  let last = started;
  let size = 0;
  const timer = setInterval(
    () => {
      const now = performance.now();
      const due = (Math.max(0, now - started - graceMs) / 1000) * bytesPerSecond;
      if (now - last >= silentMs || size < due) tooSlow();
    },
    Math.min(1_000, silentMs / 4),
  );
  return {
    note(bytes: number): void {
      last = performance.now();
      size = bytes;
    },
    stop: () => clearInterval(timer),
  };
}

/** Lets the rest of a body that nobody wants pass by, for a while. */
export function swallow(request: IncomingMessage): void {
  if (request.destroyed || request.readableEnded) return;
  const giveUp = setTimeout(() => request.destroy(), swallowMs);
  giveUp.unref();
  request
    .once('close', () => clearTimeout(giveUp))
    .on('error', () => {})
    .resume();
}

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
  if (body === 'broken_off') throw unfit('ended early');
  if (body === 'too_slow') throw unfit('arrived too slowly');
  throw new Problem('body_too_large', 'Send a body of at most 256 KiB.', { headers: { connection: 'close' } });
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
      if (typeof value === 'string' && value.includes('\0')) return 'contains a NUL character';
      // UTF-8 cannot encode a lone surrogate: the stored text would differ, and encodeURIComponent throws.
      if (typeof value === 'string' && !value.isWellFormed()) return 'contains half of a surrogate pair';
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
