import { randomUUID } from 'node:crypto';
import { Worker } from '@temporalio/worker';
import { withFailures } from '../../../activities/failures.ts';
import { installationActivities } from '../../../activities/github/installations.ts';
import { repositoryActivities } from '../../../activities/github/repositories.ts';
import { syncCommand } from '../../../db/github/installations.ts';
import { commandsIn } from '../../../db/store/commands.ts';
import type { Database } from '../../../db/store/connection.ts';
import { syncWorkflowId } from '../../../domain/ops/workflow-ids.ts';
import type { GitHubStandIn } from '../../../stand-ins/github/stand-in.ts';
import { requested, syncInstallations } from '../../../workflows/sync-installations.ts';
import { connectTemporal } from '../temporal.ts';
import { brokerTo } from './operator-app.ts';

/** A worker that runs syncs, on a separate queue of the run's Temporal. */
export async function startSyncWorker(
  database: Database,
  github: GitHubStandIn,
  taskQueue: string = `test-${randomUUID()}`,
) {
  const temporal = await connectTemporal();
  let broker = brokerTo(database, github);
  const deps = {
    database,
    broker: {
      asApp: (id: string) => broker.asApp(id),
      forInstallation: (id: string) => broker.forInstallation(id),
    },
  };
  const worker = await Worker.create({
    connection: temporal.nativeConnection,
    taskQueue,
    workflowBundle: { codePath: temporal.codePath },
    activities: withFailures({ ...installationActivities(deps), ...repositoryActivities(deps) }),
  });
  const running = worker.run();

  return {
    client: temporal.client,
    /** Runs the command as the relay does. */
    async request(githubAppId: string) {
      await database.write(async (trx) => commandsIn(trx).add(await syncCommand(trx, githubAppId)));
      const workflowId = syncWorkflowId(githubAppId);
      return temporal.client.workflow.signalWithStart(syncInstallations, {
        taskQueue,
        workflowId,
        args: [{ githubAppId }],
        signal: requested,
      });
    },
    /** The same as after an hour, or in another process. */
    forgetTokens(): void {
      broker = brokerTo(database, github);
    },
    async stop(): Promise<void> {
      worker.shutdown();
      await running;
      await temporal.close();
    },
  };
}

export type SyncWorker = Awaited<ReturnType<typeof startSyncWorker>>;
