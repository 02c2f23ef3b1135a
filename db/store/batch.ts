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
  maxItems = 20_000,
  maxBytes = 256 * 1024 * 1024,
  maxBatchItems = 200,
  maxBatchBytes = 8 * 1024 * 1024,
}: {
  database: Database;
  write(trx: Transaction, items: Item[]): Promise<Result[]>;
  bytesOf?: (item: Item) => number;
  maxItems?: number;
  maxBytes?: number;
  maxBatchItems?: number;
  maxBatchBytes?: number;
}): Batch<Item, Result> {
  let queue: Waiting<Item, Result>[] = [];
  let items = 0;
  let bytes = 0;
  let running: Promise<void> | undefined;

  /** Takes the items for one transaction from the front of the queue: at least one item, however large. */
  function takeBatch(): Waiting<Item, Result>[] {
    let size = 0;
    let count = 0;
    for (const { bytes } of queue) {
      if (count > 0 && (count >= maxBatchItems || size + bytes > maxBatchBytes)) break;
      size += bytes;
      count += 1;
    }
    const batch = queue.slice(0, count);
    queue = queue.slice(count);
    return batch;
  }

  async function commit(batch: Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await database.write((trx) =>
        write(
          trx,
          batch.map(({ item }) => item),
        ),
      );
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
    while (queue.length > 0) {
      const batch = takeBatch();
      await commit(batch);
      for (const one of batch) {
        items -= 1;
        bytes -= one.bytes;
      }
    }
    running = undefined;
  }

  return {
    add(item) {
      const size = bytesOf(item);
      if (items >= maxItems || bytes + size > maxBytes) {
        return Promise.reject(new BatchFull('Too much is waiting to be stored'));
      }
      items += 1;
      bytes += size;
      return new Promise<Result>((resolve, reject) => {
        queue.push({ item, bytes: size, resolve, reject });
        running ??= run();
      });
    },
    async drain() {
      await running;
    },
  };
}
