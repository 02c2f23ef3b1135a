import type { Db } from '../store/connection.ts';

export type StoredAnswer = {
  fingerprint: string;
  status: number;
  headers: Record<string, string>;
  /** The response without its secret, if it held one. */
  body: string | null;
};

/** How long a response is stored for repeated requests. */
export const answersKeptMs = 24 * 3_600_000;

/** Stores responses for 24 hours, for callers that repeat a request with the same key. */
export function idempotencyKeysIn(db: Db, callerId: string) {
  return {
    /**
     * Claims the key for this transaction, and returns the stored response if there is one. A simultaneous request with
     * the same key waits until this transaction has committed, and then finds its response.
     */
    async claim(key: string, fingerprint: string): Promise<StoredAnswer | undefined> {
      const now = Date.now();
      const mine = { caller_id: callerId, key };
      await db('idempotency_keys')
        .where(mine)
        .where('created_at', '<', now - answersKeptMs)
        .delete();
      await db('idempotency_keys')
        .insert({ ...mine, fingerprint, status: 0, headers: '{}', body: null, created_at: now })
        .onConflict(['caller_id', 'key'])
        .ignore();
      return this.find(key);
    },

    /** Returns the stored response for this key, if there is one. */
    async find(key: string): Promise<StoredAnswer | undefined> {
      const row = await db('idempotency_keys')
        .where({ caller_id: callerId, key })
        .where('created_at', '>=', Date.now() - answersKeptMs)
        .first();
      // Status 0 is the row of this transaction. No other transaction can see such a row.
      if (!row || row.status === 0) return undefined;
      return { fingerprint: row.fingerprint, status: row.status, headers: JSON.parse(row.headers), body: row.body };
    },

    async store(key: string, { status, headers, body }: Omit<StoredAnswer, 'fingerprint'>): Promise<void> {
      await db('idempotency_keys')
        .where({ caller_id: callerId, key })
        .update({ status, headers: JSON.stringify(headers), body });
    },
  };
}
