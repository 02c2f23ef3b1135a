import type { DeliveryOrigin } from '../../domain/deliveries/delivery-status.ts';
import type { Db } from '../store/connection.ts';
import type { RefHeadRow } from '../store/tables.ts';

export type RefHead = {
  ref: string;
  sha: string;
  origin: DeliveryOrigin;
  pushedAt: number;
  /** The head that we noticed last by ourselves, whatever came after it. */
  noticed?: { sha: string; at: number };
};

/** Where each branch was when it was decided last: by that a push that nobody told us of is noticed. */
export function refHeadsIn(db: Db) {
  return {
    /** On Postgres nobody else decides a push to this branch until the transaction ends. */
    async lock(repositoryId: string, ref: string): Promise<RefHead | undefined> {
      const query = db('ref_heads').where({ repository_id: repositoryId, ref }).first();
      if (db.client.config.client === 'pg') query.forUpdate();
      const row = await query;
      return row && toHead(row);
    },

    async list(repositoryId: string): Promise<RefHead[]> {
      return (await db('ref_heads').where({ repository_id: repositoryId })).map(toHead);
    },

    /** What was pushed before does not overwrite what was pushed later, in whatever order they come. */
    async note(repositoryId: string, { ref, sha, origin, pushedAt }: Omit<RefHead, 'noticed'>): Promise<void> {
      const head = { sha, origin, pushed_at: pushedAt };
      const noticed = origin === 'synthetic' ? { noticed_sha: sha, noticed_at: pushedAt } : {};
      await db('ref_heads')
        .insert({ repository_id: repositoryId, ref, ...head, ...noticed })
        .onConflict(['repository_id', 'ref'])
        .merge({ ...head, ...noticed })
        .where('ref_heads.pushed_at', '<=', pushedAt);
    },

    /** Nor does a deletion forget what was pushed after it. */
    async remove(repositoryId: string, ref: string, deletedAt: number): Promise<void> {
      await db('ref_heads').where({ repository_id: repositoryId, ref }).where('pushed_at', '<=', deletedAt).delete();
    },
  };
}

function toHead({ ref, sha, origin, pushed_at, noticed_sha, noticed_at }: RefHeadRow): RefHead {
  return {
    ref,
    sha,
    origin,
    pushedAt: pushed_at,
    ...(noticed_sha !== null && noticed_at !== null && { noticed: { sha: noticed_sha, at: noticed_at } }),
  };
}
