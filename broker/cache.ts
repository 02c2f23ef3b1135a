/** A value that is only good until a time. */
export type Expiring = { expiresAt: number };

type Kept<Value> = { value: Value; renewAt: number; spareMs: number; owner: string | undefined };

/** `owner`: whose share of the room it takes; nobody's without one. */
type Get = { owner?: string | undefined; leastMs?: number | undefined };

/** Of a life that is short. */
const mostSpared = 0.2;

/** After a renewal that failed. */
const renewAgainMs = 30_000;

/**
 * Keeps what was made until shortly before it expires (`marginMs`, and no more than a fifth of its life: a registry's
 * token may live for no longer than that margin), and makes each key once at a time: a thousand callers who find
 * nothing wait for one. A failure is given to those who waited for it and is not kept. With `renewAfter`, a share of
 * its life, whoever asks later than that still gets what is kept, and has the next one made meanwhile. Whoever asks for
 * ever more different things pushes out their own, and not what others have.
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
    if (kept.size > maxEntries) forget(first(kept.keys()));
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
    /** `leastMs`: how long it must still be good for, where that is longer than usual. */
    async get(key: string, make: () => Promise<Value>, { owner, leastMs = 0 }: Get = {}): Promise<Value> {
      const known = kept.get(key);
      if (!known || known.value.expiresAt - Math.max(leastMs, known.spareMs) <= now()) {
        return makeOnce(key, make, owner);
      }
      if (now() > known.renewAt) {
        known.renewAt = now() + renewAgainMs;
        // Who finds nothing later on will be told why.
        makeOnce(key, make, owner).catch(() => {});
      }
      return known.value;
    },

    /** Forgets the value, unless another one has taken its place. */
    drop(key: string, value: Value): void {
      if (kept.get(key)?.value === value) forget(key);
    },
  };
}

function first(keys: Iterable<string>): string | undefined {
  for (const key of keys) return key;
  return undefined;
}
