import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { deliveryQueue, type PendingDelivery } from '../../db/deliveries/delivery-queue.ts';
import type { Database } from '../../db/store/connection.ts';

const batch = { limit: 200, maxBytes: 8 * 1024 * 1024 };
/** After this many bytes of bodies, other work runs first. */
const bytesPerStep = 512 * 1024;
/** The longest wait for a large body when nothing else can be decided. */
const largeRestMs = 25;
/** The most large deliveries among which it chooses the next to read. */
const mostLarge = 50;

/** Reads what a decision needs to know of a delivery. */
export type FactsSource<Facts> = {
  /** Returns whether the body matters for this event. If it does not, `read` gets none. */
  needsBody(event: string): boolean;
  /** Reads the body. It is undefined if it is not stored completely. */
  read(event: string, body: Buffer | undefined): Facts | Promise<Facts>;
};

type Wanted = {
  /** Returns whether the delivery must not be decided now. */
  isHeld(id: string): boolean;
  /** Whether another relay is deciding the oldest ones. */
  isContended: boolean;
};

/**
 * Reads bodies before the transaction that decides them. Keeps what is known of each delivery until it is decided.
 * Reads large bodies one after the other in the background, and GitHub Apps take turns. Prevents a tenant with large
 * bodies from delaying the deliveries of others.
 */
export function createFactsReader<Facts>({ database, source }: { database: Database; source: FactsSource<Facts> }) {
  const known = new Map<string, Facts>();
  let large: Promise<void> | undefined;
  /** The GitHub Apps whose large bodies were read, the latest one last. */
  const served = new Set<string>();
  /** The GitHub App that got the last share of a batch. More Apps can wait than one batch serves. */
  let lastApp = '';

  const queue = () => deliveryQueue(database.reader);

  /** Returns the oldest deliveries that are not held. */
  async function free(
    count: number,
    isHeld: Wanted['isHeld'],
    which: { isLarge: boolean; githubAppId?: string },
  ): Promise<PendingDelivery[]> {
    const found: PendingDelivery[] = [];
    for (let after = ''; ; ) {
      const page = await queue().list({ ...which, after, limit: batch.limit });
      found.push(...page.filter(({ id }) => !isHeld(id)));
      after = page.at(-1)?.id ?? '';
      if (found.length >= count || page.length < batch.limit) return found.slice(0, count);
    }
  }

  /**
   * Returns the oldest small deliveries. If there are more than one batch can hold, each GitHub App gets a share of it.
   */
  async function nextSmall({ isHeld, isContended }: Wanted): Promise<PendingDelivery[]> {
    const skip = isContended ? batch.limit : 0;
    const oldest = await free(batch.limit + skip, isHeld, { isLarge: false });
    if (oldest.length < batch.limit) return oldest;
    const apps = await queue().apps(lastApp);
    lastApp = apps.at(-1) ?? '';
    if (apps.length <= 1) return oldest.slice(-batch.limit);
    const share = Math.ceil((batch.limit + skip) / apps.length);
    const shares: PendingDelivery[] = [];
    for (const githubAppId of apps) {
      shares.push(...(await free(share, isHeld, { isLarge: false, githubAppId })));
    }
    return shares.slice(-batch.limit).sort((one, other) => (one.id < other.id ? -1 : 1));
  }

  /** Reads as many deliveries as the size of their bodies allows. */
  async function readSmall(deliveries: PendingDelivery[]): Promise<string[]> {
    let bytes = 0;
    const taken: PendingDelivery[] = [];
    for (const delivery of deliveries) {
      bytes += known.has(delivery.id) ? 0 : delivery.size;
      if (bytes > batch.maxBytes && taken.length > 0) break;
      taken.push(delivery);
    }
    const unread = taken.filter(({ id }) => !known.has(id));
    const bodies = await queue().bodies(unread.filter(({ event }) => source.needsBody(event)).map(({ id }) => id));
    let step = 0;
    for (const { id, event } of unread) {
      const body = bodies.get(id);
      known.set(id, await source.read(event, body));
      step += body?.length ?? 0;
      if (step < bytesPerStep) continue;
      step = 0;
      await setImmediate();
    }
    return taken.map(({ id }) => id);
  }

  /** Returns the large deliveries whose bodies are read, and begins to read the next one. */
  async function readLarge({ isHeld }: Wanted): Promise<string[]> {
    const waiting = await free(mostLarge, isHeld, { isLarge: true });
    for (const { id, event } of waiting) {
      if (!known.has(id) && !source.needsBody(event)) known.set(id, await source.read(event, undefined));
    }
    const unread = waiting.filter(({ id }) => !known.has(id));
    const order = [...served];
    const [next] = unread.sort((a, b) => order.indexOf(a.githubAppId) - order.indexOf(b.githubAppId));
    if (next && !large)
      large = readOne(next).finally(() => {
        large = undefined;
      });
    return waiting.filter(({ id }) => known.has(id)).map(({ id }) => id);
  }

  async function readOne({ id, event, githubAppId }: PendingDelivery): Promise<void> {
    served.delete(githubAppId);
    served.add(githubAppId);
    for (const oldest of served) if (served.size > mostLarge) served.delete(oldest);
    try {
      known.set(id, await source.read(event, await queue().body(id)));
    } catch {
      // The database was unreachable. The next round tries again.
    }
  }

  return {
    /** Returns deliveries that can be decided now, and whether more will follow soon. */
    async next(wanted: Wanted): Promise<{ ids: string[]; more: boolean }> {
      const small = await nextSmall(wanted);
      const ids = [...(await readLarge(wanted)), ...(await readSmall(small))];
      const kept = new Set(ids);
      for (const id of known.keys()) if (!kept.has(id) && !wanted.isHeld(id)) known.delete(id);
      const reading = large;
      if (ids.length === 0 && reading) await Promise.race([reading, sleep(largeRestMs)]);
      return { ids, more: reading !== undefined };
    },

    /** Returns what is known of a delivery that `next` has returned. */
    of(id: string): Facts | undefined {
      return known.get(id);
    },

    forget(id: string): void {
      known.delete(id);
    },
  };
}
