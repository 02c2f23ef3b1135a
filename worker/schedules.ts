import { type Client, ScheduleAlreadyRunning, ScheduleOverlapPolicy } from '@temporalio/client';
import type { Logger } from '../log.ts';
import { taskQueue } from '../workflows/ids.ts';

/** What Temporal starts by itself, over and over. One run at a time; what fell into a downtime is made up for once. */
const schedules = [
  {
    scheduleId: 'recover-deliveries',
    every: '5 minutes',
    workflow: 'recoverAllDeliveries',
    workflowId: 'recover/all',
    summary: 'Have every App’s log of deliveries read',
  },
] as const;

/** Of one call: nothing waits for a schedule. */
const patienceMs = 5_000;

/**
 * Makes the schedules, or brings them up to date; any number of workers may do so at once. A cluster that refuses
 * them is no reason not to start: what they do can be asked for by hand.
 */
export async function ensureSchedules(client: Client, logger: Logger): Promise<void> {
  for (const { scheduleId, every, workflow, workflowId, summary } of schedules) {
    const spec = { intervals: [{ every }] };
    const policies = { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '1 minute' } as const;
    const action = {
      type: 'startWorkflow',
      workflowType: workflow,
      workflowId,
      taskQueue,
      args: [],
      staticSummary: summary,
    } as const;
    const limited = <Result>(call: () => Promise<Result>) => client.withDeadline(Date.now() + patienceMs, call);
    try {
      await limited(() => client.schedule.create({ scheduleId, spec, policies, action }));
    } catch (error) {
      if (error instanceof ScheduleAlreadyRunning) {
        const handle = client.schedule.getHandle(scheduleId);
        await limited(() => handle.update((before) => ({ ...before, spec, policies, action }))).catch((err: unknown) =>
          logger.warn({ err, scheduleId }, 'A schedule was not brought up to date'),
        );
      } else logger.warn({ err: error, scheduleId }, 'A schedule could not be made');
    }
  }
}
