import { type NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import { taskQueue } from '../workflows/ids.ts';

export type RunningWorker = { stop(): Promise<void>; failed: Promise<never> };

/**
 * Polls for workflows and activities until it is stopped. The slots are fixed, because the resource-based tuner adds
 * slots for local activities too slowly for such short workflows.
 */
export async function runWorker(options: {
  connection: NativeConnection;
  namespace: string;
  codePath: string;
  activities: object;
  interceptors: NonNullable<WorkerOptions['interceptors']>;
}): Promise<RunningWorker> {
  const { connection, namespace, codePath, activities, interceptors } = options;
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue,
    workflowBundle: { codePath },
    activities,
    interceptors,
    maxConcurrentActivityTaskExecutions: 50,
    maxConcurrentLocalActivityExecutions: 50,
    maxConcurrentWorkflowTaskExecutions: 40,
    maxCachedWorkflows: 500,
    // Running activities can finish. The next worker retries the others.
    shutdownGraceTime: '10 seconds',
    shutdownForceTime: '15 seconds',
  });
  const ended = worker.run();
  return {
    async stop() {
      if (worker.getState() === 'RUNNING') worker.shutdown();
      await ended.catch(() => {});
    },
    failed: ended.then(
      () => new Promise<never>(() => {}),
      (error) => Promise.reject(error),
    ),
  };
}
