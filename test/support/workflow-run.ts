import { randomUUID } from 'node:crypto';
import type { Client } from '@temporalio/client';
import { type NativeConnection, Worker } from '@temporalio/worker';

type Place = { client: Client; nativeConnection: NativeConnection };

/**
 * Runs `work` beside a worker of the bundled workflows with hand-written activities, on a queue of its own. The name
 * of each activity that ran is in `steps`, in order.
 */
export async function withWorker<Result>(
  { client, nativeConnection }: Place,
  codePath: string,
  activities: Record<string, (input: never) => unknown>,
  work: (place: { client: Client; taskQueue: string; steps: string[] }) => Promise<Result>,
): Promise<Result> {
  const taskQueue = `test-${randomUUID()}`;
  const steps: string[] = [];
  const noted = Object.entries(activities).map(([name, activity]) => [
    name,
    async (input: never) => {
      steps.push(name);
      return activity(input);
    },
  ]);
  const worker = await Worker.create({
    connection: nativeConnection,
    taskQueue,
    workflowBundle: { codePath },
    activities: Object.fromEntries(noted),
  });
  return worker.runUntil(work({ client, taskQueue, steps }));
}
