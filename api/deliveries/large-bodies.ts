import { setTimeout as sleep } from 'node:timers/promises';
import { largeBodiesIn } from '../../db/deliveries/large-bodies.ts';
import { type NewDelivery, needsBody } from '../../db/deliveries/store-deliveries.ts';
import { BatchFull } from '../../db/store/batch.ts';
import type { Database } from '../../db/store/connection.ts';
import { newId } from '../../domain/ids.ts';

type BodylessDelivery = Omit<NewDelivery, 'body' | 'storedAs'>;

/** A body of this size is stored in parts, because writing it at once would make all other webhooks wait. */
const largeBytes = 1024 * 1024;
const bytesPerPart = 512 * 1024;
/** The pause after each part, as a multiple of the time that the write took. */
const pauseTimes = 4;
const longestPauseMs = 50;

/**
 * Stores large bodies before their deliveries, one after the other and in parts, so that other webhooks are stored in
 * between. GitHub Apps take turns. If the process ends before the delivery is stored, the delivery was never
 * acknowledged, and the relay removes the parts.
 */
export function createLargeBodies({
  database,
  maxBytes = 256 * 1024 * 1024,
}: {
  database: Database;
  /** The limit for bodies that wait here. One GitHub App can use half of it. */
  maxBytes?: number;
}) {
  /** The waiting deliveries of each GitHub App. The first GitHub App gets the next turn. */
  const waiting = new Map<string, (() => void)[]>();
  const held = new Map<string, number>();
  let bytes = 0;
  let isBusy = false;

  function hold(app: string, more: number): void {
    const after = (held.get(app) ?? 0) + more;
    if (after > 0) held.set(app, after);
    else held.delete(app);
    bytes += more;
  }

  async function takeTurn(app: string): Promise<void> {
    if (!isBusy) {
      isBusy = true;
      return;
    }
    await new Promise<void>((resolve) => waiting.set(app, [...(waiting.get(app) ?? []), resolve]));
  }

  function passTurn(): void {
    const [first] = waiting;
    if (!first) {
      isBusy = false;
      return;
    }
    const [app, [next, ...rest]] = first;
    waiting.delete(app);
    if (rest.length > 0) waiting.set(app, rest);
    next?.();
  }

  async function storeParts(id: string, parts: Buffer[]): Promise<void> {
    for (const [part, bytes] of joined(parts).entries()) {
      const startedAt = performance.now();
      await database.write((trx) => largeBodiesIn(trx).addPart(id, part, Buffer.concat(bytes)));
      await sleep(Math.min((performance.now() - startedAt) * pauseTimes, longestPauseMs));
    }
  }

  return {
    /** Stores the body first if it is large, then calls `store`. Throws `BatchFull` beyond the limit. */
    async before<Result>(
      delivery: BodylessDelivery,
      parts: Buffer[],
      store: (delivery: NewDelivery) => Promise<Result>,
    ): Promise<Result> {
      const { githubAppId } = delivery;
      const size = parts.reduce((sum, { length }) => sum + length, 0);
      if (size < largeBytes) return store({ ...delivery, body: Buffer.concat(parts, size) });
      const isFull = bytes + size > maxBytes || (held.get(githubAppId) ?? 0) + size > maxBytes / 2;
      if (isFull) throw new BatchFull('Too much is waiting to be stored');
      hold(githubAppId, size);
      await takeTurn(githubAppId);
      try {
        const id = newId('dlv');
        // The body of a known delivery is not stored again, unless it is gone.
        if (await needsBody(database.reader, delivery)) await storeParts(id, parts);
        return await store({ ...delivery, body: Buffer.alloc(0), storedAs: { id, size } });
      } finally {
        passTurn();
        hold(githubAppId, -size);
      }
    },
  };
}

/** Groups the parts that arrived into parts of a useful size to store. */
function joined(parts: Buffer[]): Buffer[][] {
  const groups: Buffer[][] = [];
  let size = bytesPerPart;
  for (const part of parts) {
    if (size >= bytesPerPart) {
      groups.push([]);
      size = 0;
    }
    groups.at(-1)?.push(part);
    size += part.length;
  }
  return groups;
}
