import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Client } from '@temporalio/client';

/** A secret that must appear nowhere: its name for messages, and its value. */
export type Canary = { name: string; value: string | Buffer };

/** One place that must contain no secret. */
export type Place = { name: string; content: string | Buffer };

/**
 * Returns every spelling in which the value might be stored: unchanged, in hexadecimal, and escaped for a URL, a form,
 * a page, JSON or JSON inside JSON. In base64, any number of bytes can come before the value, as in `user:password`. So
 * a base64 spelling has only the characters that neighbouring bytes cannot change.
 */
export function spellingsOf(value: string | Buffer): (string | Buffer)[] {
  const bytes = Buffer.from(value);
  const base64 = [0, 1, 2].flatMap((ahead) => {
    const encoded = Buffer.concat([Buffer.alloc(ahead), bytes]).toString('base64');
    const first = Math.ceil((ahead * 8) / 6);
    const certain = encoded.slice(first, Math.floor(((ahead + bytes.length) * 8) / 6));
    return [certain, certain.replaceAll('+', '-').replaceAll('/', '_')];
  });
  const hex = bytes.toString('hex');
  return [
    ...new Set([value, hex, hex.toUpperCase(), ...(typeof value === 'string' ? escapesOf(value) : []), ...base64]),
  ];
}

function escapesOf(text: string): string[] {
  const inJson = (value: string) => JSON.stringify(value).slice(1, -1);
  const form = new URLSearchParams({ '': text }).toString().slice(1);
  const page = text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
  return [encodeURIComponent(text), form, page, inJson(text), inJson(inJson(text))];
}

type Needle = { canary: number; bytes: Buffer };
/** The sweep compares this many bytes first, and the others only if these match. */
const headBytes = 3;

/** Returns "what in where" for each canary that it finds. Searches for thousands of spellings at once. */
export function sweep(canaries: Canary[], places: Place[]): string[] {
  const needles = new Map<number, Needle[]>();
  const heads = new Uint8Array(1 << (headBytes * 8));
  for (const [canary, { name, value }] of canaries.entries()) {
    for (const spelling of spellingsOf(value)) {
      const bytes = Buffer.from(spelling);
      if (bytes.length < headBytes + 1) throw new Error(`${name} is too short to be looked for`);
      const head = bytes.readUIntLE(0, headBytes);
      heads[head] = 1;
      needles.set(head, [...(needles.get(head) ?? []), { canary, bytes }]);
    }
  }
  const found = places.map(({ content }) => canariesIn(Buffer.from(content), heads, needles));
  return canaries.flatMap(({ name }, canary) =>
    places.flatMap((place, at) => (found[at]?.has(canary) ? [`${name} in ${place.name}`] : [])),
  );
}

function canariesIn(content: Buffer, heads: Uint8Array, needles: Map<number, Needle[]>): Set<number> {
  const found = new Set<number>();
  for (let at = 0; at <= content.length - headBytes; at++) {
    const head = (content[at] ?? 0) | ((content[at + 1] ?? 0) << 8) | ((content[at + 2] ?? 0) << 16);
    if (heads[head] === 0) continue;
    for (const { canary, bytes } of needles.get(head) ?? []) {
      if (bytes.equals(content.subarray(at, at + bytes.length))) found.add(canary);
    }
  }
  return found;
}

/** Every file under the folder, byte by byte. */
export function filesUnder(folder: string, except: string[] = []): Place[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => !except.includes(path.basename(name)) && statSync(path.join(folder, name)).isFile())
    .map((name) => ({ name, content: readFileSync(path.join(folder, name)) }));
}

/**
 * Returns what an operator can read of every schedule and workflow, with all payloads decoded. For a workflow, these
 * are its history, memo and search attributes, and the heartbeat and last failure of each pending activity.
 */
export async function historiesOf(client: Client): Promise<Place[]> {
  const places: Place[] = [];
  const add = (name: string, what: unknown) =>
    places.push({ name, content: JSON.stringify(what, (_, value: unknown) => readable(value)) });
  for await (const { workflowId, runId, memo } of client.workflow.list()) {
    const handle = client.workflow.getHandle(workflowId, runId);
    const [history, { raw: description }] = await Promise.all([handle.fetchHistory(), handle.describe()]);
    add(`the history of ${workflowId}`, { memo, history, description });
  }
  for await (const { scheduleId } of client.schedule.list()) {
    add(`the schedule ${scheduleId}`, (await client.schedule.getHandle(scheduleId).describe()).raw);
  }
  return places;
}

/** `JSON.stringify` has already converted a Buffer to this, but not a plain Uint8Array. */
function readable(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  if (!value || typeof value !== 'object') return typeof value === 'bigint' ? String(value) : value;
  const { type, data } = value as { type?: unknown; data?: unknown };
  return type === 'Buffer' && Array.isArray(data) ? Buffer.from(data as number[]).toString() : value;
}
