import { recoverWorkflowId } from '../domain/workflow-ids.ts';
import { type Command, commandsIn } from './commands.ts';
import type { Database } from './connection.ts';
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
