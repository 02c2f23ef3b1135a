import { TestWorkflowEnvironment } from '@temporalio/testing';
import { inject } from 'vitest';
import { workflowAttributeNames } from '../../domain/ops/workflow-ids.ts';
import { keepOpened, type OpenedWorkflow, stopWorker } from './workflow-run.ts';

/**
 * Starts a separate Temporal server whose timers do not wait. It has the search attributes, without which workflows
 * would hang. Its clock never goes back, so a test that compares it with this machine's clock needs its own server.
 */
export async function startTimeSkipping() {
  const opened: OpenedWorkflow[] = [];
  const environment = await TestWorkflowEnvironment.createTimeSkipping({
    server: { executable: { type: 'existing-path', path: inject('testServerPath') } },
    client: { interceptors: { workflow: [keepOpened(opened)] } },
  });
  const keyword = 2;
  await environment.connection.operatorService.addSearchAttributes({
    namespace: 'default',
    searchAttributes: Object.fromEntries(workflowAttributeNames.map((name) => [name, keyword])),
  });
  const { client, nativeConnection } = environment;
  return {
    client,
    nativeConnection,
    opened,
    /** Returns the time of the server's clock, in milliseconds since 1970. */
    currentTimeMs: () => environment.currentTimeMs(),
    /** Moves the server's clock forward. Takes milliseconds, or a text for `ms`. */
    sleep: (duration: Parameters<TestWorkflowEnvironment['sleep']>[0]) => environment.sleep(duration),
    async teardown() {
      await stopWorker(nativeConnection);
      await environment.teardown();
    },
  };
}

export type TimeSkipping = Awaited<ReturnType<typeof startTimeSkipping>>;
