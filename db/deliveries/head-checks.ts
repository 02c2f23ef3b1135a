import type { Db } from '../store/connection.ts';

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
