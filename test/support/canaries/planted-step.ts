import type { Client } from '@temporalio/client';

export type PlantedInTemporal = Record<'memo' | 'attribute' | 'heartbeat' | 'failure', string>;

const namespace = 'default';
const taskQueue = { name: 'nobody' };
/** The value of Temporal's `CommandType` that schedules an activity. */
const scheduleStep = 1;

/** Starts a workflow `leak` whose activity has failed once and waits for its retry. It needs no worker. */
export async function plantInTemporal(
  { workflow, connection, workflowService: service }: Client,
  { memo, attribute, heartbeat, failure }: PlantedInTemporal,
): Promise<void> {
  await workflow.start('leak', {
    workflowId: 'leak',
    taskQueue: taskQueue.name,
    memo: { note: memo },
    searchAttributes: { Kind: [attribute] },
  });
  const polled = <T>(poll: () => Promise<T>) => connection.withDeadline(Date.now() + 20_000, poll);
  const { taskToken } = await polled(() => service.pollWorkflowTaskQueue({ namespace, taskQueue }));
  const step = {
    activityId: '1',
    activityType: { name: 'leak' },
    taskQueue,
    startToCloseTimeout: { seconds: 60 },
    scheduleToCloseTimeout: { seconds: 600 },
    retryPolicy: { initialInterval: { seconds: 300 } },
  } as never;
  const commands = [{ commandType: scheduleStep, scheduleActivityTaskCommandAttributes: step }];
  await service.respondWorkflowTaskCompleted({ namespace, taskToken, commands });
  const { taskToken: stepToken } = await polled(() => service.pollActivityTaskQueue({ namespace, taskQueue }));
  await service.respondActivityTaskFailed({
    namespace,
    taskToken: stepToken,
    failure: { message: failure, applicationFailureInfo: { type: 'leak' } },
    lastHeartbeatDetails: {
      payloads: [{ metadata: { encoding: Buffer.from('json/plain') }, data: Buffer.from(JSON.stringify(heartbeat)) }],
    },
  });
}
