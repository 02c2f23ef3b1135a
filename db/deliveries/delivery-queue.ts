import type { DeliveryOrigin, DeliveryStatus } from '../../domain/deliveries/delivery-status.ts';
import type { Db } from '../store/connection.ts';
import { skipLocked } from '../store/locks.ts';
import type { DeliveryRow } from '../store/tables.ts';

/** A delivery that nobody has decided yet, with its body. */
export type PendingDelivery = {
  id: string;
  githubAppId: string;
  event: string;
  origin: DeliveryOrigin;
  attempts: number;
  receivedAt: number;
  body: Buffer;
};

/** What became of a delivery, and what it was about. */
export type DeliveryOutcome = {
  status: Exclude<DeliveryStatus, 'received'>;
  reason: string;
  orgId?: string | undefined;
  action?: string | undefined;
  installationExternalId?: number | undefined;
  repositoryExternalId?: number | undefined;
};

/** The deliveries as the relay's work: across all tenants, since whose one is, is what it finds out. */
export function deliveryQueue(db: Db) {
  const pending = () => db('deliveries').where({ status: 'received' });

  /** Returns the oldest. On Postgres it skips those that another relay works on. */
  async function lock(query: ReturnType<typeof pending>, limit: number): Promise<DeliveryRow[]> {
    return skipLocked(query.orderBy('id').limit(limit));
  }

  async function withBodies(rows: DeliveryRow[]): Promise<PendingDelivery[]> {
    const ids = rows.map(({ id }) => id);
    const stored = ids.length > 0 ? await db('delivery_bodies').whereIn('delivery_id', ids) : [];
    const bodies = new Map(stored.map(({ delivery_id, body }) => [delivery_id, body]));
    return rows.map((row) => ({
      id: row.id,
      githubAppId: row.github_app_id,
      event: row.event,
      origin: row.origin,
      attempts: row.attempts,
      receivedAt: row.received_at,
      body: bodies.get(row.id) ?? Buffer.alloc(0),
    }));
  }

  return {
    async isEmpty(except: string[]): Promise<boolean> {
      return (await pending().whereNotIn('id', except).select('id').first()) === undefined;
    },

    /**
     * The oldest ones, in order, for this transaction alone; those of other relays are passed over. Their bodies
     * have `maxBytes` together at most, but for one that has more by itself.
     */
    async claim({ limit, maxBytes, except }: { limit: number; maxBytes: number; except: string[] }) {
      const oldest = await lock(pending().whereNotIn('id', except), limit);
      let bytes = 0;
      const tooMany = oldest.findIndex(({ size }, index) => {
        bytes += size;
        return index > 0 && bytes > maxBytes;
      });
      return withBodies(tooMany < 0 ? oldest : oldest.slice(0, tooMany));
    },

    async claimOne(id: string): Promise<PendingDelivery | undefined> {
      const [delivery] = await withBodies(await lock(pending().where({ id }), 1));
      return delivery;
    },

    async finish(ids: string[], outcome: DeliveryOutcome): Promise<void> {
      await pending()
        .whereIn('id', ids)
        .update({
          status: outcome.status,
          reason: outcome.reason,
          org_id: outcome.orgId ?? null,
          action: outcome.action?.slice(0, 64) ?? null,
          installation_external_id: outcome.installationExternalId ?? null,
          repository_external_id: outcome.repositoryExternalId ?? null,
          decided_at: Date.now(),
        });
    },

    /** Counts a try that failed; the last one of `most` ends the delivery. Returns how many there were. */
    async countFailure(id: string, most: number, reason: string): Promise<number> {
      const row = await pending().where({ id }).first();
      if (!row) return 0;
      const attempts = row.attempts + 1;
      await pending()
        .where({ id })
        .update({ attempts, ...(attempts >= most && { status: 'failed', reason, decided_at: Date.now() }) });
      return attempts;
    },
  };
}
