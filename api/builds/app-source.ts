import type { App } from '../../db/builds/apps.ts';
import { repositoriesIn } from '../../db/github/repositories.ts';
import type { Db } from '../../db/store/connection.ts';
import { Problem } from '../http/problems.ts';
import { requireGranted } from '../integrations/choose-integration.ts';
import { requireUsable } from '../integrations/unusable.ts';

/** Throws if the project cannot reach the source of its app now. */
export async function requireSource(
  db: Db,
  projectId: string,
  { integrationId, repositoryId }: NonNullable<App['source']>,
): Promise<void> {
  await requireGranted(db, projectId, integrationId);
  await requireUsable(db, integrationId);
  if (await repositoriesIn(db).findReachable(integrationId, repositoryId)) return;
  throw new Problem('repository_not_reachable', 'Give the GitHub App access to the repository, or set another source.');
}
