import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Client } from '@temporalio/client';

/** What must be found nowhere: a name to speak of it by, and its value. */
export type Canary = { name: string; value: string | Buffer };

/** One place in which nothing may be found. */
export type Place = { name: string; content: string | Buffer };

/**
 * Every spelling in which the value may have been written down: as it is, hexadecimal, URL-encoded, inside JSON, and
 * in base64 behind any number of bytes, for which only the characters count that its neighbours do not change.
 */
export function spellingsOf(value: string | Buffer): (string | Buffer)[] {
  const bytes = Buffer.from(value);
  const base64 = [0, 1, 2].flatMap((ahead) => {
    const encoded = Buffer.concat([Buffer.alloc(ahead), bytes]).toString('base64');
    const first = Math.ceil((ahead * 8) / 6);
    const certain = encoded.slice(first, Math.floor(((ahead + bytes.length) * 8) / 6));
    return [certain, certain.replaceAll('+', '-').replaceAll('/', '_')];
  });
  const asText = typeof value === 'string' ? [encodeURIComponent(value), JSON.stringify(value).slice(1, -1)] : [];
  const hex = bytes.toString('hex');
  return [...new Set([value, hex, hex.toUpperCase(), ...asText, ...base64])];
}

/** Where a canary was found: "what in where". */
export function sweep(canaries: Canary[], places: Place[]): string[] {
  const found: string[] = [];
  for (const { name, value } of canaries) {
    const spellings = spellingsOf(value);
    for (const place of places) {
      if (spellings.some((spelling) => contains(place.content, spelling))) found.push(`${name} in ${place.name}`);
    }
  }
  return found;
}

function contains(content: string | Buffer, spelling: string | Buffer): boolean {
  return typeof content === 'string' ? content.includes(String(spelling)) : content.includes(spelling);
}

/** Every file under the folder, byte by byte. */
export function filesUnder(folder: string, except: string[] = []): Place[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => !except.includes(path.basename(name)) && statSync(path.join(folder, name)).isFile())
    .map((name) => ({ name, content: readFileSync(path.join(folder, name)) }));
}

/** The history of every workflow as an operator can export it, and its memo, with all payloads decoded. */
export async function historiesOf(client: Client): Promise<Place[]> {
  const places: Place[] = [];
  for await (const { workflowId, runId, memo } of client.workflow.list()) {
    const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
    const content = JSON.stringify({ memo, history }, (_, value: unknown) => readable(value));
    places.push({ name: `the history of ${workflowId}`, content });
  }
  return places;
}

/** `JSON.stringify` has turned a Buffer into this already; a plain Uint8Array it has not. */
function readable(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  if (!value || typeof value !== 'object') return typeof value === 'bigint' ? String(value) : value;
  const { type, data } = value as { type?: unknown; data?: unknown };
  return type === 'Buffer' && Array.isArray(data) ? Buffer.from(data as number[]).toString() : value;
}
