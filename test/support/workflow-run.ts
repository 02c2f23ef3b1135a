import { randomUUID } from 'node:crypto';
import { activityInfo } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { type NativeConnection, Worker } from '@temporalio/worker';

export type OpenedWorkflow = { workflowId: string; runId: string };

type Place = {
  client: Client;
  nativeConnection: NativeConnection;
  /** The workflows that the client has started, if the place records them. */
  opened?: OpenedWorkflow[];
};
type HandWritten = Record<string, (input: never) => unknown>;

/** The worker of a connection. Making one takes most of the time of a short test, so the tests of a file share it. */
type SharedWorker = {
  taskQueue: string;
  /** Rejects if the worker fails. */
  running: Promise<void>;
  /** The activities of the current test. */
  activities: HandWritten;
  steps: string[];
  /** The workflows that have run an activity of the current test, including child workflows. */
  met: OpenedWorkflow[];
  /** The run ids of earlier tests. */
  ended: Set<string>;
  shutdown(): void;
};

const workers = new WeakMap<NativeConnection, Promise<SharedWorker>>();

async function startWorker(connection: NativeConnection, codePath: string): Promise<SharedWorker> {
  const taskQueue = `test-${randomUUID()}`;
  const shared: Omit<SharedWorker, 'running' | 'shutdown'> = {
    taskQueue,
    activities: {},
    steps: [],
    met: [],
    ended: new Set(),
  };
  const worker = await Worker.create({
    connection,
    taskQueue,
    workflowBundle: { codePath },
    activities: {
      async default(input: never) {
        const { activityType, workflowExecution } = activityInfo();
        if (!workflowExecution) throw ApplicationFailure.nonRetryable('An activity without a workflow');
        const { workflowId, runId } = workflowExecution;
        if (shared.ended.has(runId)) throw ApplicationFailure.nonRetryable('The test of this workflow has ended');
        shared.met.push({ workflowId, runId });
        const activity = shared.activities[activityType];
        if (!activity) throw ApplicationFailure.nonRetryable(`The test has no activity ${activityType}`);
        shared.steps.push(activityType);
        return activity(input);
      },
    },
  });
  return Object.assign(shared, { running: worker.run(), shutdown: () => worker.shutdown() });
}

/**
 * Runs `work` beside a worker of the bundled workflows with hand-written activities. `steps` has the name of each
 * activity that ran, in order. Terminates the workflows that are still open when `work` ends.
 */
export async function withWorker<Result>(
  { client, nativeConnection, opened = [] }: Place,
  codePath: string,
  activities: HandWritten,
  work: (place: { client: Client; taskQueue: string; steps: string[] }) => Promise<Result>,
): Promise<Result> {
  const starting = workers.get(nativeConnection) ?? startWorker(nativeConnection, codePath);
  workers.set(nativeConnection, starting);
  const shared = await starting;
  const steps: string[] = [];
  Object.assign(shared, { activities, steps, met: [] });
  const failed = shared.running.then(() => Promise.reject(new Error('The worker has stopped')));
  try {
    return await Promise.race([work({ client, taskQueue: shared.taskQueue, steps }), failed]);
  } finally {
    const runs = new Map([...shared.met, ...opened.splice(0)].map(({ workflowId, runId }) => [runId, workflowId]));
    for (const [runId, workflowId] of runs) {
      shared.ended.add(runId);
      const handle = client.workflow.getHandle(workflowId, runId);
      // Most have already ended, and terminating those fails.
      await handle.terminate('the test has ended').catch(() => {});
    }
  }
}

/** Stops the worker of the connection, if there is one. A connection that is in use cannot be closed. */
export async function stopWorker(connection: NativeConnection): Promise<void> {
  const shared = await workers.get(connection);
  shared?.shutdown();
  await shared?.running;
}
