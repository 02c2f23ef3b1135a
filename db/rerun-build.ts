import { appsIn } from './apps.ts';
import { type Build, createBuild } from './builds.ts';
import type { Db } from './connection.ts';
import { everything } from './tenant.ts';

/** Another build of the same commit with the pipeline as it was. Whoever asks has seen that the first one is over. */
export async function rerunBuild(
  trx: Db,
  source: Build,
  { createdBy, deliveryId }: { createdBy: string; deliveryId?: string },
): Promise<Build> {
  return createBuild(trx, {
    ...source,
    ...(await sourceNow(trx, source)),
    rerunOf: source.id,
    createdBy,
    deliveryId,
    detail: undefined,
    ...blockedIfFork(source),
  });
}

/** An app that got another integration meanwhile is built through it, where the repository is the same at its host. */
async function sourceNow(trx: Db, build: Build): Promise<Pick<Build, 'integrationId' | 'repositoryId'>> {
  const { appId, integrationId, repositoryId } = build;
  const source = (await appsIn(trx, everything).find(appId))?.source;
  if (!source || source.integrationId === integrationId) return { integrationId, repositoryId };
  const [before, now] = await Promise.all([identityOf(trx, repositoryId), identityOf(trx, source.repositoryId)]);
  return before === undefined || before !== now
    ? { integrationId, repositoryId }
    : { integrationId: source.integrationId, repositoryId: source.repositoryId };
}

/** Two Apps of a host know the same repository by rows of their own. */
async function identityOf(db: Db, repositoryId: string): Promise<string | undefined> {
  const row: { external_id: number; host_url: string } | undefined = await db('repositories')
    .join('github_apps', 'github_apps.id', 'repositories.github_app_id')
    .where('repositories.id', repositoryId)
    .first('repositories.external_id', 'github_apps.host_url');
  return row && `${row.host_url} ${row.external_id}`;
}

/** What nobody has vouched for is not started by building it again. */
function blockedIfFork({ fork }: Build) {
  return fork
    ? { status: 'blocked' as const, reason: 'fork_pull_request' }
    : { status: 'queued' as const, reason: undefined };
}
