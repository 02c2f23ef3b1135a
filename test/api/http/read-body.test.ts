import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { readBody } from '../../../api/http/read-body.ts';

/** A request whose body arrives in these parts. */
const arriving = (parts: Buffer[]) => Readable.from(parts, { objectMode: false }) as unknown as IncomingMessage;

function cut(body: Buffer, sizes: number[]): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0, index = 0; at < body.length; index += 1) {
    const size = sizes[index % sizes.length] ?? 1;
    parts.push(body.subarray(at, at + size));
    at += size;
  }
  return parts;
}

test.each([
  ['single bytes', 20_000, [1], 10],
  ['parts of all sizes', 900_000, [1, 65_536, 7, 16_000, 20_000, 3, 40_000], 60],
  ['one part', 50_000, [50_000], 1],
] as const)('keeps a body unchanged that arrives in %s, in few pieces', async (_, length, sizes, most) => {
  const body = randomBytes(length);
  const parts = await readBody(arriving(cut(body, [...sizes])), { maxBytes: 1_000_000 });
  if (!Array.isArray(parts)) throw new Error(`It was refused: ${parts}`);
  expect(Buffer.concat(parts).equals(body)).toBe(true);
  expect(parts.length).toBeLessThanOrEqual(most);
});
