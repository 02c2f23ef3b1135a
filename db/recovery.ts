import { recoverWorkflowId } from '../domain/workflow-ids.ts';
import { type Command, commandsIn } from './commands.ts';
import type { Database, Db } from './connection.ts';
import { githubAppsIn } from './github-apps.ts';

/** Has the App's log of deliveries read back to what is here; many requests make one reading. */
export function recoverCommand(githubAppId: string): Command {
  return {
    action: 'signal_with_start',
    workflow: 'recoverDeliveries',
    workflowId: recoverWorkflowId(githubAppId),
    signal: 'requested',
    input: { githubAppId },
    attributes: { Kind: 'recoverDeliveries' },
    summary: `Look for missed webhooks of ${githubAppId}`,
  };
}

/** For every App there is. */
export async function requestRecoveries(database: Database): Promise<void> {
  const apps = await githubAppsIn(database.reader).list();
  await database.write((trx) => commandsIn(trx).add(...apps.map(({ id }) => recoverCommand(id))));
}

/** The repositories of this App that some app is built from, each on behalf of one project. */
export async function sourcesOfGithubApp(
  db: Db,
  githubAppId: string,
): Promise<{ repositoryId: string; ownerId: string }[]> {
  const rows: { repository_id: string; owner_id: string }[] = await db('apps')
    .join('repositories', 'repositories.id', 'apps.source_repository_id')
    .where('repositories.github_app_id', githubAppId)
    .whereNull('apps.deleted_at')
    .whereNull('repositories.removed_at')
    .groupBy('repositories.id')
    .select('repositories.id as repository_id')
    .min('apps.project_id as owner_id');
  return rows.map(({ repository_id: repositoryId, owner_id: ownerId }) => ({ repositoryId, ownerId }));
}
