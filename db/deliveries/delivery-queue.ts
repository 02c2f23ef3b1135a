import type { DeliveryOrigin, DeliveryStatus } from '../../domain/deliveries/delivery-status.ts';
import type { Db } from '../store/connection.ts';
import { skipLocked } from '../store/locks.ts';
import type { DeliveryRow } from '../store/tables.ts';

/** A delivery that is not decided yet, with its body. */
export type PendingDelivery = {
  id: string;
  githubAppId: string;
  event: string;
  origin: DeliveryOrigin;
  attempts: number;
  receivedAt: number;
  body: Buffer;
};

/** The decision about a delivery, and what it was about. */
export type DeliveryOutcome = {
  status: Exclude<DeliveryStatus, 'received'>;
  reason: string;
  orgId?: string | undefined;
  action?: string | undefined;
  installationExternalId?: number | undefined;
  repositoryExternalId?: number | undefined;
};

/**
 * The relay's queue of deliveries. It spans all tenants, because the relay finds out which tenant a delivery belongs
 * to.
 */
export function deliveryQueue(db: Db) {
  const pending = () => db('deliveries').where({ status: 'received' });

  /** Locks and returns the oldest. On Postgres it skips rows that another relay has locked. */
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
     * Claims the oldest deliveries, in order, for this transaction alone, and skips those of other relays. Their bodies
     * have `maxBytes` together at most, except that a single larger one is returned alone.
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

    /** Counts a failed attempt. After `most` attempts the delivery fails. Returns the number of attempts. */
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
