/** A value that is only good until a time. */
export type Expiring = { expiresAt: number };

type Kept<Value> = { value: Value; renewAt: number };

/** After a renewal that failed. */
const renewAgainMs = 30_000;

/**
 * Keeps what was made until shortly before it expires, and makes each key once at a time: a thousand callers who find
 * nothing wait for one. A failure is given to those who waited for it and is not kept. With `renewAfter`, a share of
 * its life, whoever asks later than that still gets what is kept, and has the next one made meanwhile.
 */
export function createExpiringCache<Value extends Expiring>({
  marginMs,
  renewAfter = 1,
  now = () => Date.now(),
  maxEntries = 10_000,
}: {
  marginMs: number;
  renewAfter?: number;
  now?: () => number;
  maxEntries?: number;
}) {
  const kept = new Map<string, Kept<Value>>();
  const making = new Map<string, Promise<Value>>();

  function keep(key: string, value: Value): void {
    kept.delete(key);
    kept.set(key, { value, renewAt: now() + (value.expiresAt - now()) * renewAfter });
    const [oldest] = kept.keys();
    if (kept.size > maxEntries && oldest !== undefined) kept.delete(oldest);
  }

  async function makeOnce(key: string, make: () => Promise<Value>): Promise<Value> {
    const pending = making.get(key);
    if (pending) return pending;
    const made = make();
    making.set(key, made);
    try {
      const value = await made;
      keep(key, value);
      return value;
    } finally {
      making.delete(key);
    }
  }

  return {
    /** `leastMs`: how long it must still be good for, where that is longer than usual. */
    async get(key: string, make: () => Promise<Value>, leastMs = marginMs): Promise<Value> {
      const known = kept.get(key);
      if (!known || known.value.expiresAt - Math.max(leastMs, marginMs) <= now()) return makeOnce(key, make);
      if (now() > known.renewAt) {
        known.renewAt = now() + renewAgainMs;
        // Who finds nothing later on will be told why.
        makeOnce(key, make).catch(() => {});
      }
      return known.value;
    },

    /** Forgets the value, unless another one has taken its place. */
    drop(key: string, value: Value): void {
      if (kept.get(key)?.value === value) kept.delete(key);
    },
  };
}
