import type { GitHubBroker, ReachableRepository } from '../../broker/github/github.ts';
import { allBuilds, type Build } from '../../db/builds/builds.ts';
import { isUnconfirmed } from '../../db/github/refresh-installation.ts';
import { repositoriesIn } from '../../db/github/repositories.ts';
import { integrationStatusOf } from '../../db/integrations/usable-integrations.ts';
import type { Database, Db } from '../../db/store/connection.ts';
import { isFinalBuildStatus } from '../../domain/builds/build-status.ts';
import { NotYet, Refusal } from '../refusals.ts';

export type ReachDeps = { database: Database; broker: Pick<GitHubBroker, 'forRepository'> };

/**
 * Returns access to a build's repository while its integration is bound to an installation that reaches it. An
 * integration that is being deleted gives access only to end its builds. The check runs before and after the token is
 * minted.
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
  // A later event can have restored access between the two reads.
  if (!wasBound && !(await isBound())) {
    throw new Refusal('repository_gone', 'The integration no longer reaches the repository.');
  }
  const repository = await broker
    .forRepository({ ownerId: projectId, repositoryId, permissions })
    .catch(async (error) => {
      // An event can have arrived in between.
      await refuseUnconfirmed(database.reader, build);
      throw error;
    });
  await refuseDeleted(database.reader, build);
  return repository;
}

async function refuseDeleted(db: Db, { id, integrationId }: Build): Promise<void> {
  const status = await integrationStatusOf(db, integrationId);
  if (status === 'deleting') {
    const build = await allBuilds(db).find(id);
    if (build && (build.cancelRequested || isFinalBuildStatus(build.status))) return;
  } else if (status !== 'deleted') {
    return;
  }
  throw new Refusal('integration_deleted', 'The integration was deleted.');
}

/** Throws `NotYet` if an event removed access and GitHub has not confirmed it. Nothing is final before that. */
export async function refuseUnconfirmed(db: Db, { repositoryId }: Build): Promise<void> {
  if (!(await isUnconfirmed(db, repositoryId))) return;
  const message =
    'A webhook says that the App lost the repository or was suspended. Fairlead is checking this at GitHub.';
  throw new NotYet('removal_unconfirmed', message, 1_000);
}

/** Stores the new name of a renamed repository for the next attempt. A repository keeps its number. */
export async function learnNewName(
  { database }: ReachDeps,
  { repositoryId }: Build,
  { github, externalId }: ReachableRepository,
): Promise<void> {
  const renamed = await github.getRepositoryById(externalId);
  if (renamed)
    await database.write((trx) => repositoriesIn(trx).updateDescription(repositoryId, { ...renamed, externalId }));
}
