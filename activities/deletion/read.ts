import { unendedBuilds } from '../../db/integration-deletion.ts';
import type { DeletionDeps } from './deps.ts';

/** What is left to do: how many builds have not ended yet, and which installations are still bound. */
export function readDeletion({ database: { reader } }: DeletionDeps) {
  return async ({ integrationId }: { integrationId: string }): Promise<{ builds: number; installations: string[] }> => {
    const builds = await unendedBuilds(reader, integrationId).select('id');
    const bound = await reader('bindings').where({ integration_id: integrationId }).orderBy('installation_id');
    return { builds: builds.length, installations: bound.map(({ installation_id: id }) => id) };
  };
}
