import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
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

/** Reads this many large bodies at once, and counts how often other work ran in the meantime. */
async function readAtOnce(count: number, cutInto: number): Promise<{ ms: number; turns: number }> {
  const body = randomBytes(2 * 1024 * 1024);
  let isRead = false;
  let turns = 0;
  const startedAt = performance.now();
  const read = Promise.all(
    Array.from({ length: count }, () => readBody(arriving(cut(body, [cutInto])), { maxBytes: body.length })),
  ).then((all) => {
    isRead = true;
    return all;
  });
  while (!isRead) {
    await sleep(1);
    turns += 1;
  }
  for (const parts of await read) expect(Buffer.concat(parts as Buffer[]).equals(body)).toBe(true);
  return { ms: performance.now() - startedAt, turns };
}

test('other work runs while a large body is read', async () => {
  const { turns } = await readAtOnce(1, 64 * 1024);
  expect(turns).toBeGreaterThan(25);
});

/** The shortest of five times, because a busy machine can only make one longer. */
async function shortestMs(cutInto: number): Promise<number> {
  const times: number[] = [];
  for (let count = 0; count < 5; count += 1) times.push((await readAtOnce(1, cutInto)).ms);
  return Math.min(...times);
}

test('a large body in small parts takes no longer than one in large parts', async () => {
  expect(await shortestMs(4 * 1024)).toBeLessThan((await shortestMs(64 * 1024)) * 3);
});

test('many large bodies share one pace, and none waits for long', async () => {
  const four = await readAtOnce(4, 64 * 1024);
  expect(four.ms).toBeGreaterThan((await shortestMs(64 * 1024)) * 1.5);
  // With 28 pauses of 240 ms, it would take more than six seconds.
  expect((await readAtOnce(40, 64 * 1024)).ms).toBeLessThan(3_000);
});

test('bodies that are refused for lack of room do not slow others down', async () => {
  const refusing = {
    open: (_: unknown, refuse: () => void) => ({ take: () => refuse(), close: () => {} }),
    prove: () => {},
  };
  const sender = { network: 'n', app: 'a' };
  const before = await shortestMs(64 * 1024);
  const large = randomBytes(512 * 1024);
  for (let count = 0; count < 10; count += 1) {
    const refused = await readBody(arriving([large]), { maxBytes: large.length, budget: refusing, sender });
    expect(refused).toBe('too_many');
  }
  // Otherwise the pauses are twice as long.
  expect(await shortestMs(64 * 1024)).toBeLessThan(before * 1.6);
});
