import type { DeliveryOrigin, DeliveryStatus } from '../../domain/deliveries/delivery-status.ts';
import type { Db } from '../store/connection.ts';
import { skipLocked } from '../store/locks.ts';
import type { DeliveryRow } from '../store/tables.ts';
import { largeBodiesIn } from './large-bodies.ts';

/** A delivery that is not decided yet. Its body is stored separately. */
export type PendingDelivery = {
  id: string;
  githubAppId: string;
  event: string;
  origin: DeliveryOrigin;
  attempts: number;
  receivedAt: number;
  /** The size of the body in bytes. */
  size: number;
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

  return {
    /** Lists the oldest deliveries after the ID `after`, in order. */
    async list({ after, limit, isLarge, githubAppId }: Which & { after: string; limit: number }) {
      const query = pending()
        .where('id', '>', after)
        .whereRaw(isLarge ? largeBodies : smallBodies);
      if (githubAppId !== undefined) query.where({ github_app_id: githubAppId });
      return (await query.orderBy('id').limit(limit)).map(toPending);
    },

    /**
     * Lists GitHub Apps that have undecided deliveries. Jumps through the index from one GitHub App to the next,
     * because one can have very many deliveries. Begins behind the GitHub App `last`, and continues with the first one.
     */
    async apps(last: string): Promise<string[]> {
      const after = async (id: string) =>
        (await pending().where('github_app_id', '>', id).orderBy('github_app_id').first('github_app_id'))
          ?.github_app_id;
      const behind = async (id: string) => (await after(id)) ?? (await after(''));
      const apps: string[] = [];
      for (let app = await behind(last); app !== undefined && !apps.includes(app); app = await behind(app)) {
        apps.push(app);
        if (apps.length === mostApps) break;
      }
      return apps;
    },

    /** Returns a body, or nothing if it is not stored completely. */
    async body(id: string): Promise<Buffer | undefined> {
      const stored = await db('delivery_bodies').where({ delivery_id: id }).first();
      return stored?.body ?? largeBodiesIn(db).find(id);
    },

    /** Returns small bodies by their IDs. A body that is not stored has no entry. */
    async bodies(ids: string[]): Promise<Map<string, Buffer>> {
      const stored = ids.length > 0 ? await db('delivery_bodies').whereIn('delivery_id', ids) : [];
      return new Map(stored.map(({ delivery_id, body }) => [delivery_id, body]));
    },

    /**
     * Claims these deliveries for this transaction alone, oldest first. Skips those that are already decided, and those
     * that another relay holds.
     */
    async claim(ids: string[]): Promise<PendingDelivery[]> {
      const rows: DeliveryRow[] = await skipLocked(pending().whereIn('id', ids).orderBy('id'));
      return rows.map(toPending);
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

type Which = {
  /** The relay reads bodies of at least this size apart from the others. */
  isLarge: boolean;
  githubAppId?: string;
};

/** The most GitHub Apps that share one batch. */
const mostApps = 50;

// Literals, because a partial index covers the large ones.
const largeBodies = 'size >= 262144';
const smallBodies = 'size < 262144';

function toPending(row: DeliveryRow): PendingDelivery {
  return {
    id: row.id,
    githubAppId: row.github_app_id,
    event: row.event,
    origin: row.origin,
    attempts: row.attempts,
    receivedAt: row.received_at,
    size: row.size,
  };
}
