import { EgressError } from './egress-error.ts';

type Chunks = AsyncIterable<Uint8Array>;

/** Reads a body to its end, decompressed, and gives up as soon as it is longer than `maxBytes`. */
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
