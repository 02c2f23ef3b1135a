import { randomUUID } from 'node:crypto';
import { activityInfo } from '@temporalio/activity';
import { type Client, type WorkflowClientInterceptor, WorkflowNotFoundError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { type NativeConnection, Worker } from '@temporalio/worker';

export type OpenedWorkflow = { workflowId: string; runId: string };

/** An interceptor for a client. It records the workflows that the client starts. */
export function keepOpened(opened: OpenedWorkflow[]): WorkflowClientInterceptor {
  return {
    async start(input, next) {
      const runId = await next(input);
      opened.push({ workflowId: input.options.workflowId, runId });
      return runId;
    },
    async signalWithStart(input, next) {
      const runId = await next(input);
      opened.push({ workflowId: input.options.workflowId, runId });
      return runId;
    },
  };
}

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
  /** Activities that a workflow called although the current test does not have them. */
  unknown: Set<string>;
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
    unknown: new Set(),
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
        shared.steps.push(activityType);
        const activity = shared.activities[activityType];
        if (!activity) {
          shared.unknown.add(activityType);
          throw ApplicationFailure.nonRetryable(`The test has no activity ${activityType}`);
        }
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
  const unknown = new Set<string>();
  const left = new Set<string>();
  Object.assign(shared, { activities, steps, unknown, met: [] });
  const failed = shared.running.then(() => Promise.reject(new Error('The worker has stopped')));
  try {
    const result = await Promise.race([work({ client, taskQueue: shared.taskQueue, steps }), failed]);
    // A workflow can survive the failure of an activity, so the test might not see it.
    if (unknown.size > 0)
      throw new Error(`A workflow asked for ${[...unknown].join(', ')}, which the test does not have`);
    return result;
  } finally {
    for (const { workflowId, runId } of [...shared.met, ...opened.splice(0)]) {
      shared.ended.add(runId);
      left.add(workflowId);
    }
    // By the workflow's id alone: a workflow that continued as new has another run.
    for (const workflowId of left) await terminate(client, workflowId);
  }
}

async function terminate(client: Client, workflowId: string): Promise<void> {
  try {
    await client.workflow.getHandle(workflowId).terminate('the test has ended');
  } catch (error) {
    // Most have already ended.
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
}

/** Stops the worker of the connection, if there is one. A connection that is in use cannot be closed. */
export async function stopWorker(connection: NativeConnection): Promise<void> {
  const shared = await workers.get(connection);
  shared?.shutdown();
  await shared?.running;
}
