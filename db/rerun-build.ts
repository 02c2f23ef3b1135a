import { type Build, createBuild } from './builds.ts';
import type { Db } from './connection.ts';

/** Another build of the same commit with the pipeline as it was. Whoever asks has seen that the first one is over. */
export async function rerunBuild(
  trx: Db,
  source: Build,
  { createdBy, deliveryId }: { createdBy: string; deliveryId?: string },
): Promise<Build> {
  return createBuild(trx, {
    ...source,
    rerunOf: source.id,
    createdBy,
    deliveryId,
    detail: undefined,
    ...blockedIfFork(source),
  });
}

/** What nobody has vouched for is not started by building it again. */
function blockedIfFork({ fork }: Build) {
  return fork
    ? { status: 'blocked' as const, reason: 'fork_pull_request' }
    : { status: 'queued' as const, reason: undefined };
}
