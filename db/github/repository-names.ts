import type { Db } from '../store/connection.ts';

/** A repository that is about to have the name `to`. `from` is the name it had, which may be the same. */
type Naming = { id: string; from: string; to: string };

/** How many names one statement writes. SQLite limits the number of values in one. */
const batch = 100;

/**
 * Stores the former names of an App's repositories. Addresses that people and pipelines have written down still contain
 * them, and GitHub redirects a former name until another repository takes it.
 */
export function formerNamesIn(db: Db, githubAppId: string) {
  return {
    /** Stores the names that the repositories had. `taken` are all names in use now: they are nobody's former names. */
    async note(renamed: readonly Naming[], taken = renamed.map(({ to }) => to)): Promise<void> {
      const rows = renamed
        .filter(({ from, to }) => from.toLowerCase() !== to.toLowerCase())
        .map(({ id, from }) => ({
          full_name: from.toLowerCase(),
          github_app_id: githubAppId,
          repository_id: id,
          created_at: Date.now(),
        }));
      for (let at = 0; at < rows.length; at += batch) {
        const some = rows.slice(at, at + batch);
        await db('repository_names').insert(some).onConflict(['full_name', 'github_app_id']).merge();
      }
      for (let at = 0; at < taken.length; at += batch) {
        const names = taken.slice(at, at + batch).map((name) => name.toLowerCase());
        await db('repository_names').where({ github_app_id: githubAppId }).whereIn('full_name', names).delete();
      }
    },
  };
}
