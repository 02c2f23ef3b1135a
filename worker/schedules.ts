import { type Client, ScheduleAlreadyRunning, ScheduleOverlapPolicy, type ScheduleSpec } from '@temporalio/client';
import type { Logger } from '../log.ts';
import { taskQueue } from '../workflows/ids.ts';

type Schedule = {
  scheduleId: string;
  spec: ScheduleSpec;
  /** How long after its time it still makes sense. */
  catchupWindow: '1 minute' | '12 hours';
  workflow: string;
  workflowId: string;
  summary: string;
};

/** What Temporal starts by itself, over and over. One run at a time; what fell into a downtime is made up for once. */
const schedules: Schedule[] = [
  {
    scheduleId: 'recover-deliveries',
    spec: { intervals: [{ every: '5 minutes' }] },
    catchupWindow: '1 minute',
    workflow: 'recoverAllDeliveries',
    workflowId: 'recover/all',
    summary: 'Read every App’s log of deliveries',
  },
  {
    scheduleId: 'check-registries',
    // Each registry’s own time is drawn: this only looks whose has come.
    spec: { intervals: [{ every: '5 minutes' }] },
    catchupWindow: '1 minute',
    workflow: 'checkRegistries',
    workflowId: 'check-registries',
    summary: 'Check the registries that are due, and report credentials that expire soon',
  },
  {
    scheduleId: 'reconcile',
    // At 03:00 UTC, and not everybody’s at the same moment.
    spec: { calendars: [{ hour: 3, minute: 0 }], jitter: '30 minutes' },
    catchupWindow: '12 hours',
    workflow: 'reconcile',
    workflowId: 'reconcile/all',
    summary: 'Compare every App with GitHub, and look for stuck builds and deletions',
  },
  {
    scheduleId: 'rotate-signing-keys',
    // Most days there is nothing to do.
    spec: { calendars: [{ hour: 4, minute: 0 }], jitter: '30 minutes' },
    catchupWindow: '12 hours',
    workflow: 'rotateSigningKeys',
    workflowId: 'rotate-signing-keys',
    summary: 'Publish the next signing key of the OIDC issuer, and remove old ones',
  },
];

/** Of one call: nothing waits for a schedule. */
const patienceMs = 5_000;

/**
 * Makes the schedules, or brings them up to date; any number of workers may do so at once. A cluster that refuses
 * them is no reason not to start: what they do can be asked for by hand.
 */
export async function ensureSchedules(client: Client, logger: Logger): Promise<void> {
  await Promise.all(schedules.map((schedule) => ensure(client, logger, schedule)));
}

async function ensure(client: Client, logger: Logger, schedule: Schedule): Promise<void> {
  const { scheduleId, spec, catchupWindow, workflow, workflowId, summary } = schedule;
  const policies = { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow } as const;
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
