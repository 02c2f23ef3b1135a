import { BoundedMap } from '../http/bounded-map.ts';
import type { BodyBudget } from '../http/read-body.ts';

type Holder = { bytes: number; refusals: Set<() => void> };

/** How long a sender stays trusted after a proof, so that it has room while strangers use up theirs. */
const provenMs = 3_600_000;
const mostProven = 10_000;
/** A sender that holds less is refused only if no sender holds more. Most webhooks are far smaller. */
const largeBytes = 1024 * 1024;

/**
 * Limits the memory of each network, and of all bodies together. Above the second limit, it refuses the sender that
 * holds the most. Senders that have not signed anything for their GitHub App lately come first, because anyone can send
 * large unsigned bodies.
 */
export function createBodyBudget({
  maxBytes,
  maxBytesOfOne,
  now = () => performance.now(),
}: {
  maxBytes: number;
  maxBytesOfOne: number;
  now?: () => number;
}): BodyBudget {
  const holders = new Map<string, Holder>();
  const byNetwork = new Map<string, number>();
  const proven = new BoundedMap<number>(mostProven);
  let all = 0;

  const isProven = (key: string) => (proven.get(key) ?? 0) > now();

  function findLargest(): Holder | undefined {
    let found: { holder: Holder; trusted: boolean } | undefined;
    const hasLarge = [...holders.values()].some(({ bytes }) => bytes >= largeBytes);
    for (const [key, holder] of holders) {
      if (hasLarge && holder.bytes < largeBytes) continue;
      const trusted = isProven(key);
      const isNext = !found || (trusted === found.trusted ? holder.bytes > found.holder.bytes : found.trusted);
      if (isNext) found = { holder, trusted };
    }
    return found?.holder;
  }

  return {
    open({ network, app }, refuse) {
      const key = `${network} ${app}`;
      let size = 0;
      return {
        take(bytes) {
          size += bytes;
          all += bytes;
          const holder = holders.get(key) ?? { bytes: 0, refusals: new Set() };
          holders.set(key, holder);
          holder.bytes += bytes;
          holder.refusals.add(refuse);
          byNetwork.set(network, (byNetwork.get(network) ?? 0) + bytes);
          if ((byNetwork.get(network) ?? 0) > maxBytesOfOne) return refuse();
          // The refused senders free their bytes a moment later.
          if (all > maxBytes) for (const each of findLargest()?.refusals ?? []) each();
        },
        close() {
          all -= size;
          const holder = holders.get(key);
          if (holder) {
            holder.bytes -= size;
            holder.refusals.delete(refuse);
            if (holder.refusals.size === 0) holders.delete(key);
          }
          const left = (byNetwork.get(network) ?? 0) - size;
          if (left > 0) byNetwork.set(network, left);
          else byNetwork.delete(network);
        },
      };
    },
    prove({ network, app }) {
      proven.set(`${network} ${app}`, now() + provenMs);
    },
  };
}
