import type { Db } from '../store/connection.ts';
import { passOf } from './installations.ts';
import { repositoriesIn, type SeenRepository } from './repositories.ts';

/** A page of an installation's repositories, as GitHub returned it. */
export type ReadPage = {
  page: number;
  next: number | null;
  etag: string | undefined;
  totalCount: number;
  repositories: SeenRepository[];
  /** When GitHub was asked. */
  readAt: number;
};

/** How long an ETag is used, ms. After that, the page is read again even if GitHub would call it unchanged. */
const trustMs = 24 * 3_600_000;

/**
 * Stores the pages of repositories of one App's installations. A page that GitHub calls unchanged counts as read while
 * all of its repositories are stored and still belong to the installation.
 */
export function repositoryPagesIn(db: Db, githubAppId: string) {
  const repositories = repositoriesIn(db);
  return {
    async etag(installationId: string, page: number): Promise<string | undefined> {
      const row = await db('repository_pages')
        .where({ installation_id: installationId, page })
        .where('read_at', '>', Date.now() - trustMs)
        .first('etag');
      return row?.etag ?? undefined;
    },

    async store(
      installationId: string,
      { page, next, etag, totalCount, repositories: seen, readAt }: ReadPage,
    ): Promise<void> {
      await db('repositories').where({ installation_id: installationId, seen_page: page }).update({ seen_page: null });
      await repositories.upsert(githubAppId, installationId, seen, { page, readAt });
      const columns = {
        next_page: next,
        etag: etag ?? null,
        total_count: totalCount,
        repositories: new Set(seen.map(({ externalId }) => externalId)).size,
        seen_pass: passOf(db, githubAppId) as unknown as number,
        read_at: Date.now(),
      };
      await db('repository_pages')
        .insert({ installation_id: installationId, page, ...columns })
        .onConflict(['installation_id', 'page'])
        .merge(columns);
      if (next === null)
        await db('repository_pages').where({ installation_id: installationId }).where('page', '>', page).delete();
    },

    /**
     * Marks the page as seen without reading it, and returns the next page. Returns undefined if one of its
     * repositories has been moved or removed since: then the page must be read.
     */
    async keep(installationId: string, page: number): Promise<{ next: number | null } | undefined> {
      const row = await db('repository_pages').where({ installation_id: installationId, page }).first();
      if (!row) return undefined;
      const pass = passOf(db, githubAppId) as unknown as number;
      const kept = await db('repositories')
        .where({ installation_id: installationId, seen_page: page, removed_at: null })
        .update({ seen_pass: pass });
      if (kept !== row.repositories) return undefined;
      await db('repository_pages').where({ installation_id: installationId, page }).update({ seen_pass: pass });
      if (row.next_page === null)
        await db('repository_pages').where({ installation_id: installationId }).where('page', '>', page).delete();
      return { next: row.next_page };
    },

    /**
     * Returns whether this pass has read every page, all pages had the same total, and the pass has seen that many
     * repositories. Pages shift while repositories come and go, so a repository that was missed might still exist.
     */
    async isComplete(installationId: string): Promise<boolean> {
      const pages = await db('repository_pages').where({ installation_id: installationId });
      const [first] = pages;
      const app = await db('github_apps').where({ id: githubAppId }).first('sync_pass');
      if (!first || !app) return false;
      const seen = await db('repositories')
        .where({ installation_id: installationId, seen_pass: app.sync_pass })
        .count({ count: '*' })
        .first();
      const agree = pages.every((one) => one.seen_pass === app.sync_pass && one.total_count === first.total_count);
      return agree && Number(seen?.count) >= first.total_count;
    },
  };
}
