import type { Db } from '../store/connection.ts';
import { type Build, toBuild } from './build-row.ts';

/** What of a commit's builds is read across pipelines: for the relay, which knows the repository by its number. */
export function commitBuilds(trx: Db) {
  return {
    /**
     * The latest build of each pipeline, which GitHub shows. Two who ask at once get them one after the other, and
     * the second one sees what the first has added.
     */
    async lockLatest(repositoryId: string, sha: string): Promise<Build[]> {
      const ofCommit = () => trx('builds').where({ repository_id: repositoryId, sha });
      // SQLite has one writer anyway.
      if (trx.client.config.client === 'pg') await ofCommit().orderBy('id').forUpdate().select('id');
      const newest = ofCommit().groupBy('pipeline_id').max('id');
      const rows = await trx('builds').whereIn('id', newest).orderBy('id');
      return rows.map(toBuild);
    },
  };
}
