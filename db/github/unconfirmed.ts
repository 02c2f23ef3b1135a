import type { Db } from '../store/connection.ts';

/** GitHub is asked within seconds of an event. Where it could not be for so long, the event is taken at its word. */
const patienceMs = 10 * 60_000;

/** Whether an event alone says that the repository or its installation was taken away or suspended. */
export async function isUnconfirmed(db: Db, repositoryId: string): Promise<boolean> {
  const since = Date.now() - patienceMs;
  const found = await db('repositories')
    .join('installations', 'installations.id', 'repositories.installation_id')
    .where('repositories.id', repositoryId)
    .where((either) => {
      either.where('repositories.unconfirmed_at', '>', since).orWhere('installations.unconfirmed_at', '>', since);
    })
    .first('repositories.id');
  return found !== undefined;
}
