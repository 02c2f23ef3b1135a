import type { GitHubBroker, ReachableRepository } from '../../broker/github/github.ts';
import { allBuilds, type Build } from '../../db/builds/builds.ts';
import { isUnconfirmed } from '../../db/github/refresh-installation.ts';
import { repositoriesIn } from '../../db/github/repositories.ts';
import type { Database, Db } from '../../db/store/connection.ts';
import { isFinalBuildStatus } from '../../domain/builds/build-status.ts';
import { NotYet, Refusal } from '../refusals.ts';

export type ReachDeps = { database: Database; broker: Pick<GitHubBroker, 'forRepository'> };

/**
 * Access to a build's repository, for as long as its integration is bound to the installation that reaches it: a
 * build outlives the moment at which that was checked first. Of an integration that is being deleted only what is
 * needed to end its builds: asked before a token is made and once more after.
 */
export async function reachRepository(
  { database, broker }: ReachDeps,
  build: Build,
  permissions: Record<string, string>,
): Promise<ReachableRepository> {
  const { projectId, integrationId, repositoryId } = build;
  await refuseDeleted(database.reader, build);
  const isBound = () => repositoriesIn(database.reader).isBound(integrationId, repositoryId);
  const wasBound = await isBound();
  await refuseUnconfirmed(database.reader, build);
  // What an event had taken away may have been given back between the two.
  if (!wasBound && !(await isBound())) {
    throw new Refusal('repository_gone', 'The integration no longer reaches the repository.');
  }
  const repository = await broker
    .forRepository({ ownerId: projectId, repositoryId, permissions })
    .catch(async (error) => {
      // An event may have come meanwhile.
      await refuseUnconfirmed(database.reader, build);
      throw error;
    });
  await refuseDeleted(database.reader, build);
  return repository;
}

async function refuseDeleted(db: Db, { id, integrationId }: Build): Promise<void> {
  const integration = await db('integrations').where({ id: integrationId }).first('status');
  if (integration?.status === 'deleting') {
    const build = await allBuilds(db).find(id);
    if (build && (build.cancelRequested || isFinalBuildStatus(build.status))) return;
  } else if (integration?.status !== 'deleted') {
    return;
  }
  throw new Refusal('integration_deleted', 'The integration was deleted.');
}

/** What an event took away may be there: GitHub is being asked, and nothing is final until it has answered. */
export async function refuseUnconfirmed(db: Db, { repositoryId }: Build): Promise<void> {
  if (!(await isUnconfirmed(db, repositoryId))) return;
  const message = 'A webhook says that the repository was taken away or the App suspended: GitHub is being asked.';
  throw new NotYet('removal_unconfirmed', message, 1_000);
}

/** A repository that was renamed keeps its number: its new name is asked for and remembered, for whoever tries again. */
export async function learnNewName(
  { database }: ReachDeps,
  { repositoryId }: Build,
  { github, externalId }: ReachableRepository,
): Promise<void> {
  const renamed = await github.getRepositoryById(externalId);
  if (renamed)
    await database.write((trx) => repositoriesIn(trx).describeAnew(repositoryId, { ...renamed, externalId }));
}
