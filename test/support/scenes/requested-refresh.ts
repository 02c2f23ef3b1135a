import type { Refresh } from '../../../db/github/refresh-installation.ts';
import { commandsIn } from '../../../db/store/commands.ts';
import type { Database } from '../../../db/store/connection.ts';

/** Stores the command of a refresh, for the workflow of a `MockActivityEnvironment`. */
export async function requestOneRefresh(database: Database, refresh: Refresh): Promise<void> {
  await database.write((trx) =>
    commandsIn(trx).add({ action: 'start', workflow: 'refreshInstallation', workflowId: 'test', input: refresh }),
  );
}
