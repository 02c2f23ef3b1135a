import type { IncomingMessage } from 'node:http';
import { hiddenCharacter } from '../../domain/people/visible-text.ts';
import { Problem } from './problems.ts';

export type BodyRefusal = 'too_large' | 'too_many' | 'too_slow' | 'broken_off';

/** Where a body comes from, and the GitHub App that it names. */
type BodySender = { network: string; app: string };

/** A body that is arriving. */
type BodyShare = {
  take(bytes: number): void;
  /** Returns the bytes of the body. Call it once, however the body ends. */
  close(): void;
};

/** Limits the memory of all bodies that are still arriving. */
export type BodyBudget = {
  /** Opens a share for one body. Calls `refuse` when there is no room for the rest of the body. */
  open(sender: BodySender, refuse: () => void): BodyShare;
  /** Notes that the sender can sign for the GitHub App. */
  prove(sender: BodySender): void;
};

export type BodyPace = {
  /** How long the sender may send nothing. */
  silentMs: number;
  /** From this time on, the body must arrive at `bytesPerSecond` or faster, on average. */
  graceMs: number;
  bytesPerSecond: number;
};

/**
 * GitHub itself gives a webhook 10 seconds in total
 * (https://docs.github.com/en/webhooks/using-webhooks/best-practices-for-using-webhooks).
 */
const usualPace: BodyPace = { silentMs: 10_000, graceMs: 15_000, bytesPerSecond: 128 * 1024 };

/** Most bodies have fewer parts, and are kept as they arrive. */
const fewParts = 8;
const openBytes = 64 * 1024;

/** From this size on, a body is read more slowly: reading 24 MB at once would make all other requests wait. */
const quickBytes = 256 * 1024;
const bytesPerPause = 64 * 1024;
/** The pause for each body that is being read slowly. It grows with their number, up to the longest pause. */
const pauseMs = 6;
const longestPauseMs = 12;

/** How long the rest of a refused body is read and discarded, so that the client can read the response. */
const swallowMs = 5_000;

/**
 * Reads the whole body unchanged, in the parts in which it arrives. Refuses it as soon as it is too long or too slow.
 * The caller must then `swallow` the rest.
 */
export async function readBody(
  request: IncomingMessage,
  {
    maxBytes,
    budget,
    sender,
    pace = usualPace,
    onPart,
  }: {
    maxBytes: number;
    budget?: BodyBudget;
    sender?: BodySender;
    pace?: BodyPace;
    /** Receives each part as it arrives. */
    onPart?: (part: Buffer) => void;
  },
): Promise<Buffer[] | BodyRefusal> {
  const parts = collectParts();
  const pauses = pausesOf(request);
  let size = 0;
  let share: BodyShare | undefined;
  const refusal = await new Promise<BodyRefusal | undefined>((resolve) => {
    const watch = watchPace(pace, () => finish('too_slow'));
    const finish = (refused?: BodyRefusal) => {
      watch.stop();
      pauses.stop();
      request.off('data', take).off('end', finish).off('close', breakOff).off('error', breakOff);
      resolve(refused);
    };
    const breakOff = () => finish('broken_off');
    share = sender && budget?.open(sender, () => finish('too_many'));
    const take = (chunk: Buffer) => {
      size += chunk.length;
      parts.add(chunk);
      watch.note(size);
      if (size > maxBytes) return finish('too_large');
      onPart?.(chunk);
      share?.take(chunk.length);
      if (size > quickBytes) pauses.note(chunk.length);
    };
    request
      .on('data', take)
      .on('end', () => finish())
      .on('close', breakOff)
      .on('error', breakOff);
    if (request.destroyed) breakOff();
  });
  share?.close();
  return refusal ?? parts.all();
}

/**
 * Collects the parts of a body. Copies small parts together: a sender can send each byte as a part, and each part costs
 * much more memory than one byte.
 */
function collectParts() {
  const whole: Buffer[] = [];
  let open: Buffer | undefined;
  let used = 0;
  function close(): void {
    if (open) whole.push(open.subarray(0, used));
    open = undefined;
    used = 0;
  }
  return {
    add(part: Buffer): void {
      if (whole.length < fewParts || part.length >= openBytes / 4) {
        close();
        whole.push(part);
        return;
      }
      if (open && used + part.length > openBytes) close();
      open ??= Buffer.allocUnsafeSlow(openBytes);
      used += part.copy(open, used);
    },
    all(): Buffer[] {
      close();
      return whole;
    },
  };
}

let slowBodies = 0;

/** Pauses a body at regular intervals, so that other requests are served in between. */
function pausesOf(request: IncomingMessage) {
  let timer: NodeJS.Timeout | undefined;
  let since = 0;
  let isOver = false;
  return {
    note(bytes: number): void {
      since += bytes;
      if (since < bytesPerPause || isOver) return;
      since = 0;
      if (!timer) slowBodies += 1;
      request.pause();
      timer = setTimeout(() => request.resume(), Math.min(pauseMs * slowBodies, longestPauseMs));
    },
    stop(): void {
      if (timer && !isOver) slowBodies -= 1;
      isOver = true;
      clearTimeout(timer);
    },
  };
}

/** Checks at intervals whether the body arrives fast enough. */
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

/** Reads and discards the rest of a refused body, for a limited time. */
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

/** Keys that could change the prototype of every object, if later code merges them carelessly. */
const reservedKeys = new Set(['__proto__', 'constructor', 'prototype']);

/** Reads a JSON body of at most 256 KiB. The content type must be JSON. */
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
  refuseFlaws(value);
  return value;
}

export async function readBytes(request: IncomingMessage): Promise<Buffer> {
  const body = await readBody(request, { maxBytes });
  if (typeof body !== 'string') return Buffer.concat(body);
  swallow(request);
  if (body === 'broken_off') throw unfit('ended early');
  if (body === 'too_slow') throw unfit('arrived too slowly');
  throw new Problem('body_too_large', 'Send a body of at most 256 KiB.', { headers: { connection: 'close' } });
}

function unfit(message: string): Problem {
  return new Problem('invalid_request', `The body ${message}.`, { errors: [{ path: 'body', message }] });
}

/** Refuses values that harm later code and that no schema accepts. Searches without recursion. */
function refuseFlaws(root: unknown): void {
  let level: { path: string; value: unknown }[] = [{ path: 'body', value: root }];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > maxDepth) throw unfit(`is nested deeper than ${maxDepth} levels`);
    const next: typeof level = [];
    for (const { path, value } of level) {
      if (typeof value === 'string') refuseUnstorable(path, value);
      if (typeof value !== 'object' || value === null) continue;
      for (const [key, inner] of Object.entries(value)) {
        if (reservedKeys.has(key)) throw unfit(`has a field named ${key}`);
        // The error does not repeat a key that is itself unfit.
        refuseUnstorable(path, key);
        next.push({ path: `${path}.${key}`, value: inner });
      }
    }
    level = next;
  }
}

/**
 * Refuses a NUL, which Postgres cannot store, and half of a surrogate pair. UTF-8 cannot encode the latter: the stored
 * text would differ, and encodeURIComponent throws.
 */
function refuseUnstorable(path: string, text: string): void {
  if (!text.includes('\0') && text.isWellFormed()) return;
  const found = text.includes('\0') ? 'U+0000' : hiddenCharacter(text.replaceAll(/\P{Cs}/gu, ''));
  const message = `must not contain ${found}`;
  throw new Problem('characters_not_allowed', `${path}: ${message}`.slice(0, 500), { errors: [{ path, message }] });
}
