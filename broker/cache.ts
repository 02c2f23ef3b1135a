/** A value that is only good until a time. */
export type Expiring = { expiresAt: number };

/**
 * Keeps what was made until shortly before it expires, and makes each key once at a time: a thousand callers who find
 * nothing wait for one. A failure is given to those who waited for it and is not kept.
 */
export function createExpiringCache<Value extends Expiring>({
  marginMs,
  now = Date.now,
  maxEntries = 10_000,
}: {
  marginMs: number;
  now?: () => number;
  maxEntries?: number;
}) {
  const kept = new Map<string, Value>();
  const making = new Map<string, Promise<Value>>();

  function keep(key: string, value: Value): void {
    kept.delete(key);
    kept.set(key, value);
    const [oldest] = kept.keys();
    if (kept.size > maxEntries && oldest !== undefined) kept.delete(oldest);
  }

  return {
    async get(key: string, make: () => Promise<Value>): Promise<Value> {
      const known = kept.get(key);
      if (known && known.expiresAt - marginMs > now()) return known;
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
    },

    /** Forgets the value, unless another one has taken its place. */
    drop(key: string, value: Value): void {
      if (kept.get(key) === value) kept.delete(key);
    },
  };
}
