import type { DeliveryOrigin } from '../../domain/deliveries/delivery-status.ts';
import type { Db } from '../store/connection.ts';
import { locked } from '../store/locks.ts';
import type { RefHeadRow } from '../store/tables.ts';

export type RefHead = {
  ref: string;
  sha: string;
  origin: DeliveryOrigin;
  pushedAt: number;
  /** The head that Fairlead last noticed without a delivery. Later pushes do not change it. */
  noticed?: { sha: string; at: number };
};

/** The head of each branch that was decided last. Fairlead compares with it to notice a push without a delivery. */
export function refHeadsIn(db: Db) {
  return {
    /** Keeps others from deciding a push to this branch until the transaction ends. */
    async lock(repositoryId: string, ref: string): Promise<RefHead | undefined> {
      const row = await locked(db('ref_heads').where({ repository_id: repositoryId, ref }).first());
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

export type HeadCheck = {
  repositoryId: string;
  /** Of one of the projects that build from it: on its behalf GitHub is asked. */
  ownerId: string;
};

/** The repositories whose branches are to be looked at, since a part of the log was lost before it was read. */
export function headChecksIn(db: Db) {
  const sources = (githubAppId: string) =>
    db('apps')
      .join('repositories', 'repositories.id', 'apps.source_repository_id')
      .where('repositories.github_app_id', githubAppId)
      .whereNull('apps.deleted_at')
      .whereNull('repositories.removed_at');
  return {
    /** All of this App's that something is built from. */
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

    async done(repositoryId: string): Promise<void> {
      await db('head_checks').where({ repository_id: repositoryId }).delete();
    },
  };
}
