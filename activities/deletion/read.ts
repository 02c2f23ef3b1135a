import { endedSince, refusedPart } from '../../db/builds/build-reports.ts';
import { unendedBuilds } from '../../db/deletion/integration-deletion.ts';
import { parts } from '../builds/report-parts.ts';
import type { DeletionDeps } from './deps.ts';

/** GitHub was not willing to be told of what ended before: nobody waits for that. */
const recentlyMs = 10 * 60_000;

/**
 * What is left to do: how many builds have not ended yet, or have ended and GitHub is still to be told so through the
 * App; and which installations are still bound.
 */
export function readDeletion({ database }: Pick<DeletionDeps, 'database'>) {
  const { reader } = database;

  async function countUntold(integrationId: string): Promise<number> {
    let untold = 0;
    for (const build of await endedSince(reader, integrationId, Date.now() - recentlyMs)) {
      const refused = await refusedPart(reader, build);
      // One refusal is written down for all that come after it.
      const toTell = parts.slice(0, refused ? parts.findIndex(({ name }) => name === refused) : undefined);
      const due = await Promise.all(toTell.map((part) => part.isDue({ database }, build)));
      if (due.includes(true)) untold += 1;
    }
    return untold;
  }

  return async ({ integrationId }: { integrationId: string }): Promise<{ builds: number; installations: string[] }> => {
    const builds = await unendedBuilds(reader, integrationId).select('id');
    const bound = await reader('bindings').where({ integration_id: integrationId }).orderBy('installation_id');
    const untold = await countUntold(integrationId);
    return { builds: builds.length + untold, installations: bound.map(({ installation_id: id }) => id) };
  };
}
