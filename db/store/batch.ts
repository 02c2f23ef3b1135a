import type { Database, Transaction } from './connection.ts';

export class BatchFull extends Error {
  override name = 'BatchFull';
}

export type Batch<Item, Result> = {
  /** Resolves once the transaction that holds the item has committed. Throws `BatchFull` beyond the limits. */
  add(item: Item): Promise<Result>;
  /** Waits for the items that were added so far. */
  drain(): Promise<void>;
};

type Waiting<Item, Result> = {
  item: Item;
  bytes: number;
  owner: string;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
};

/**
 * Group commit: one transaction runs at a time, and items that arrive during it go into the next one. So one disk sync
 * serves many callers. `write` returns one result per item, in the same order. If a batch fails, it runs again item by
 * item, so that one bad item fails alone.
 */
export function createBatch<Item, Result>({
  database,
  write,
  bytesOf = () => 0,
  ownerOf = () => '',
  maxItems = 20_000,
  maxBytes = 256 * 1024 * 1024,
  maxBatchItems = 200,
  maxBatchBytes = 8 * 1024 * 1024,
}: {
  database: Database;
  write(trx: Transaction, items: Item[]): Promise<Result[]>;
  bytesOf?: (item: Item) => number;
  /**
   * Returns the owner of an item. Owners take turns, and one owner can use at most half of the limits. Without this,
   * all items have one owner, which can use all of the limits.
   */
  ownerOf?: (item: Item) => string;
  maxItems?: number;
  maxBytes?: number;
  maxBatchItems?: number;
  maxBatchBytes?: number;
}): Batch<Item, Result> {
  /** The queue of each owner. The owner whose turn is next comes first. */
  const queues = new Map<string, Waiting<Item, Result>[]>();
  const held = new Map<string, { items: number; bytes: number }>();
  let items = 0;
  let bytes = 0;
  let running: Promise<void> | undefined;

  /** Takes the items for one transaction, one of each owner in turn: at least one item, however large. */
  function takeBatch(): Waiting<Item, Result>[] {
    const batch: Waiting<Item, Result>[] = [];
    let size = 0;
    for (const [owner, queue] of queues) {
      const [next] = queue;
      if (!next) continue;
      if (batch.length > 0 && (batch.length >= maxBatchItems || size + next.bytes > maxBatchBytes)) break;
      size += next.bytes;
      batch.push(next);
      queue.shift();
      queues.delete(owner);
      // The map's order is the order of the turns, and the loop comes to this owner again.
      if (queue.length > 0) queues.set(owner, queue);
    }
    return batch;
  }

  function hold(owner: string, more: { items: number; bytes: number }): void {
    const before = held.get(owner) ?? { items: 0, bytes: 0 };
    const after = { items: before.items + more.items, bytes: before.bytes + more.bytes };
    if (after.items > 0) held.set(owner, after);
    else held.delete(owner);
    items += more.items;
    bytes += more.bytes;
  }

  function hasRoom(owner: string, size: number): boolean {
    if (items >= maxItems || bytes + size > maxBytes) return false;
    const own = held.get(owner);
    if (owner === '' || !own) return true;
    return own.items < maxItems / 2 && own.bytes + size <= maxBytes / 2;
  }

  async function commit(batch: Waiting<Item, Result>[]): Promise<void> {
    try {
      const items = batch.map(({ item }) => item);
      const results = await database.write((trx) => write(trx, items), { isAwaited: true });
      batch.forEach(({ resolve }, index) => {
        resolve(results[index] as Result);
      });
    } catch (error) {
      if (batch.length === 1) batch[0]?.reject(error);
      else for (const one of batch) await commit([one]);
    }
  }

  async function run(): Promise<void> {
    // Waits one turn of the event loop, so that requests that are being read right now join the batch.
    await new Promise(setImmediate);
    while (queues.size > 0) {
      const batch = takeBatch();
      await commit(batch);
      for (const one of batch) hold(one.owner, { items: -1, bytes: -one.bytes });
    }
    running = undefined;
  }

  return {
    add(item) {
      const size = bytesOf(item);
      const owner = ownerOf(item);
      if (!hasRoom(owner, size)) return Promise.reject(new BatchFull('Too much is waiting to be stored'));
      hold(owner, { items: 1, bytes: size });
      return new Promise<Result>((resolve, reject) => {
        const queue = queues.get(owner) ?? [];
        queue.push({ item, bytes: size, owner, resolve, reject });
        queues.set(owner, queue);
        running ??= run();
      });
    },
    async drain() {
      await running;
    },
  };
}
