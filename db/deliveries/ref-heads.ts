import type { DeliveryOrigin } from '../../domain/deliveries/delivery-status.ts';
import type { Db } from '../store/connection.ts';
import { locked } from '../store/locks.ts';
import type { RefHeadRow } from '../store/tables.ts';

export type RefHead = {
  ref: string;
  sha: string;
  origin: DeliveryOrigin;
  pushedAt: number;
  /** The latest head that Fairlead noticed without a delivery. Later pushes do not change it. */
  noticed?: { sha: string; at: number };
};

/** The last decided head of each branch. Fairlead compares it with GitHub to notice a push without a delivery. */
export function refHeadsIn(db: Db) {
  return {
    /** Locks the branch, so that no other transaction decides a push to it until this one ends. */
    async lock(repositoryId: string, ref: string): Promise<RefHead | undefined> {
      const row = await locked(db('ref_heads').where({ repository_id: repositoryId, ref }).first());
      return row && toHead(row);
    },

    async list(repositoryId: string): Promise<RefHead[]> {
      return (await db('ref_heads').where({ repository_id: repositoryId })).map(toHead);
    },

    /** Stores a head unless a later push is stored, because pushes can arrive in any order. */
    async note(repositoryId: string, { ref, sha, origin, pushedAt }: Omit<RefHead, 'noticed'>): Promise<void> {
      const head = { sha, origin, pushed_at: pushedAt };
      const noticed = origin === 'synthetic' ? { noticed_sha: sha, noticed_at: pushedAt } : {};
      await db('ref_heads')
        .insert({ repository_id: repositoryId, ref, ...head, ...noticed })
        .onConflict(['repository_id', 'ref'])
        .merge({ ...head, ...noticed })
        .where('ref_heads.pushed_at', '<=', pushedAt);
    },

    /** Deletes a head unless it was pushed after the deletion. */
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

export type HeadCheck = {
  repositoryId: string;
  /** The project on whose behalf Fairlead asks GitHub. It is one of those that build from the repository. */
  ownerId: string;
};

/**
 * The repositories whose branches need a check, because a part of the delivery log was lost before Fairlead read it.
 */
export function headChecksIn(db: Db) {
  const sources = (githubAppId: string) =>
    db('apps')
      .join('repositories', 'repositories.id', 'apps.source_repository_id')
      .where('repositories.github_app_id', githubAppId)
      .whereNull('apps.deleted_at')
      .whereNull('repositories.removed_at');
  return {
    /** Requests a check for every repository of this App that an app builds from. */
    async want(githubAppId: string): Promise<void> {
      const ids: string[] = await sources(githubAppId).distinct().pluck('repositories.id');
      const created_at = Date.now();
      for (let at = 0; at < ids.length; at += 200) {
        const some = ids.slice(at, at + 200);
        await db('head_checks')
          .insert(some.map((repository_id) => ({ repository_id, github_app_id: githubAppId, created_at })))
          .onConflict('repository_id')
          .ignore();
      }
    },

    async list(githubAppId: string, limit: number): Promise<HeadCheck[]> {
      const rows: { repository_id: string; owner_id: string }[] = await sources(githubAppId)
        .join('head_checks', 'head_checks.repository_id', 'repositories.id')
        .groupBy('repositories.id')
        .orderBy('repositories.id')
        .limit(limit)
        .select('repositories.id as repository_id')
        .min('apps.project_id as owner_id');
      return rows.map(({ repository_id: repositoryId, owner_id: ownerId }) => ({ repositoryId, ownerId }));
    },

    async isWanted(repositoryId: string): Promise<boolean> {
      return (await db('head_checks').where({ repository_id: repositoryId }).first('repository_id')) !== undefined;
    },

    async done(repositoryId: string): Promise<void> {
      await db('head_checks').where({ repository_id: repositoryId }).delete();
    },
  };
}
