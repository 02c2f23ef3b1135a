import type { DeliveryOrigin } from '../domain/delivery-status.ts';
import type { Db } from './connection.ts';

export type RefHead = { ref: string; sha: string; origin: DeliveryOrigin };

/** Where each branch was when it was decided last: by that a push that nobody told us of is noticed. */
export function refHeadsIn(db: Db) {
  return {
    async find(repositoryId: string, ref: string): Promise<RefHead | undefined> {
      return db('ref_heads').where({ repository_id: repositoryId, ref }).first('ref', 'sha', 'origin');
    },

    async list(repositoryId: string): Promise<RefHead[]> {
      return db('ref_heads').where({ repository_id: repositoryId }).select('ref', 'sha', 'origin');
    },

    /** What was pushed before does not overwrite what was pushed later, in whatever order they come. */
    async note(repositoryId: string, { ref, sha, origin }: RefHead, pushedAt: number): Promise<void> {
      await db('ref_heads')
        .insert({ repository_id: repositoryId, ref, sha, origin, pushed_at: pushedAt })
        .onConflict(['repository_id', 'ref'])
        .merge()
        .where('ref_heads.pushed_at', '<=', pushedAt);
    },

    async remove(repositoryId: string, ref: string): Promise<void> {
      await db('ref_heads').where({ repository_id: repositoryId, ref }).delete();
    },
  };
}
