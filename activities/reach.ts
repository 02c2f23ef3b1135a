import type { GitHubBroker, ReachableRepository } from '../broker/github.ts';
import type { Build } from '../db/builds.ts';
import type { Database } from '../db/connection.ts';
import { repositoriesIn } from '../db/repositories.ts';
import { Refusal } from './refusals.ts';

export type ReachDeps = { database: Database; broker: Pick<GitHubBroker, 'forRepository'> };

/**
 * Access to a build's repository, for as long as its integration is bound to the installation that reaches it: a
 * build outlives the moment at which that was checked first.
 */
export async function reachRepository(
  { database, broker }: ReachDeps,
  { projectId, integrationId, repositoryId }: Build,
  permissions: Record<string, string>,
): Promise<ReachableRepository> {
  if (!(await repositoriesIn(database.reader).findReachable(integrationId, repositoryId))) {
    throw new Refusal('repository_gone', 'The integration no longer reaches the repository.');
  }
  return broker.forRepository({ ownerId: projectId, repositoryId, permissions });
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
