import type { IncomingMessage } from 'node:http';

export type BodyRefusal = 'too_large' | 'too_many' | 'broken_off';

/** Bounds what is held in memory of bodies that are still arriving, over all requests together. */
export type BodyBudget = { bytes: number; readonly maxBytes: number };

/** How long the rest of a refused body is swallowed, so that the caller gets to read the answer. */
const swallowMs = 5_000;

/** Reads the whole body as it came; refuses it as soon as it is too long. What still comes is the caller's to swallow. */
export async function readBody(
  request: IncomingMessage,
  { maxBytes, budget }: { maxBytes: number; budget: BodyBudget },
): Promise<Buffer | BodyRefusal> {
  const chunks: Buffer[] = [];
  let size = 0;
  const refusal = await new Promise<BodyRefusal | undefined>((resolve) => {
    const finish = (refused?: BodyRefusal) => {
      request.off('data', take).off('end', finish).off('close', breakOff).off('error', breakOff);
      resolve(refused);
    };
    const breakOff = () => finish('broken_off');
    const take = (chunk: Buffer) => {
      size += chunk.length;
      budget.bytes += chunk.length;
      chunks.push(chunk);
      if (size > maxBytes) finish('too_large');
      else if (budget.bytes > budget.maxBytes) finish('too_many');
    };
    request
      .on('data', take)
      .on('end', () => finish())
      .on('close', breakOff)
      .on('error', breakOff);
    if (request.destroyed) breakOff();
  });
  budget.bytes -= size;
  if (refusal) return refusal;
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size);
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
