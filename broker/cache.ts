/** A value with the time at which it expires. */
export type Expiring = { expiresAt: number };

type Kept<Value> = { value: Value; renewAt: number; spareMs: number; owner: string | undefined };

/** `owner`: the tenant whose share of the cache the entry takes. An entry without an owner counts against no share. */
type Get = { owner?: string | undefined; leastMs?: number | undefined };

/** The fraction of a short lifetime that is left unused. */
const mostSpared = 0.2;

/** The pause after a renewal that failed. */
const renewAgainMs = 30_000;

/**
 * Keeps each value until shortly before it expires. The margin is `marginMs`, and at most a fifth of the lifetime,
 * because a registry's token may live no longer than that margin. Creates the value of a key once at a time: a thousand
 * callers that find nothing wait for one creation. A failure reaches the callers that waited for it and is not cached.
 * `renewAfter` is a share of the lifetime: a caller that comes later still gets the cached value, and the next value is
 * created in the background. A tenant that requests many distinct values evicts only its own entries.
 */
export function createExpiringCache<Value extends Expiring>({
  marginMs,
  renewAfter = 1,
  now = () => Date.now(),
  maxEntries = 10_000,
  mostOfOwner = 1_000,
}: {
  marginMs: number;
  renewAfter?: number;
  now?: () => number;
  maxEntries?: number;
  mostOfOwner?: number;
}) {
  const kept = new Map<string, Kept<Value>>();
  const ofOwners = new Map<string, Set<string>>();
  const making = new Map<string, Promise<Value>>();

  function forget(key: string | undefined): void {
    const known = key === undefined ? undefined : kept.get(key);
    if (key === undefined || !known) return;
    kept.delete(key);
    if (known.owner === undefined) return;
    const theirs = ofOwners.get(known.owner);
    theirs?.delete(key);
    if (theirs?.size === 0) ofOwners.delete(known.owner);
  }

  function keep(key: string, value: Value, owner: string | undefined): void {
    forget(key);
    const lifeMs = value.expiresAt - now();
    const spareMs = Math.min(marginMs, lifeMs * mostSpared);
    kept.set(key, { value, renewAt: now() + lifeMs * renewAfter, spareMs, owner });
    if (owner !== undefined) {
      const theirs = ofOwners.get(owner) ?? new Set();
      ofOwners.set(owner, theirs.add(key));
      if (theirs.size > mostOfOwner) forget(first(theirs));
    }
    if (kept.size > maxEntries) forget(first(largestShare() ?? kept.keys()));
  }

  /** Returns the entries of the owner that has the most entries. */
  function largestShare(): Set<string> | undefined {
    let largest: Set<string> | undefined;
    for (const theirs of ofOwners.values()) if (theirs.size > (largest?.size ?? 0)) largest = theirs;
    return largest;
  }

  async function makeOnce(key: string, make: () => Promise<Value>, owner: string | undefined): Promise<Value> {
    const pending = making.get(key);
    if (pending) return pending;
    const made = make();
    making.set(key, made);
    try {
      const value = await made;
      keep(key, value, owner);
      return value;
    } finally {
      making.delete(key);
    }
  }

  return {
    /** `leastMs`: the remaining lifetime that the caller needs, if it needs more than usual. */
    async get(key: string, make: () => Promise<Value>, { owner, leastMs = 0 }: Get = {}): Promise<Value> {
      const known = kept.get(key);
      if (!known || known.value.expiresAt - Math.max(leastMs, known.spareMs) <= now()) {
        return makeOnce(key, make, owner);
      }
      if (now() > known.renewAt) {
        known.renewAt = now() + renewAgainMs;
        // A later caller that finds nothing gets the reason.
        makeOnce(key, make, owner).catch(() => {});
      }
      return known.value;
    },

    /** Forgets the value, unless another one has replaced it. */
    drop(key: string, value: Value): void {
      if (kept.get(key)?.value === value) forget(key);
    },
  };
}

function first(keys: Iterable<string>): string | undefined {
  for (const key of keys) return key;
  return undefined;
}
