import { recoverWorkflowId } from '../../domain/ops/workflow-ids.ts';
import { githubAppsIn } from '../github/github-apps.ts';
import { type Command, commandsIn } from '../store/commands.ts';
import type { Database } from '../store/connection.ts';

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
