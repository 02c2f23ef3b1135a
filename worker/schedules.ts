import { type Client, ScheduleAlreadyRunning, ScheduleOverlapPolicy, type ScheduleSpec } from '@temporalio/client';
import type { Logger } from '../log.ts';
import { taskQueue } from '../workflows/ids.ts';

type Schedule = {
  scheduleId: string;
  spec: ScheduleSpec;
  /** How late a run can start and still make sense. */
  catchupWindow: '1 minute' | '12 hours';
  workflow: string;
  workflowId: string;
  summary: string;
};

/**
 * The workflows that Temporal starts on a schedule. One runs at a time, and a missed run is executed once after a
 * downtime.
 */
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
    // Each registry has its own random time. This only finds those that are due.
    spec: { intervals: [{ every: '5 minutes' }] },
    catchupWindow: '1 minute',
    workflow: 'checkRegistries',
    workflowId: 'check-registries',
    summary: 'Check the registries that are due, and report credentials that expire soon',
  },
  {
    scheduleId: 'reconcile',
    // It runs at 03:00 UTC, with a random delay so that installations differ.
    spec: { calendars: [{ hour: 3, minute: 0 }], jitter: '30 minutes' },
    catchupWindow: '12 hours',
    workflow: 'reconcile',
    workflowId: 'reconcile/all',
    summary: 'Compare every App with GitHub, and look for stuck builds and deletions',
  },
  {
    scheduleId: 'rotate-signing-keys',
    // On most days there is nothing to do.
    spec: { calendars: [{ hour: 4, minute: 0 }], jitter: '30 minutes' },
    catchupWindow: '12 hours',
    workflow: 'rotateSigningKeys',
    workflowId: 'rotate-signing-keys',
    summary: 'Publish the next signing key of the OIDC issuer, and remove old ones',
  },
];

/** The time limit of one call. Nothing waits for a schedule. */
const patienceMs = 5_000;

/**
 * Creates or updates the schedules. Any number of workers can do so at once. The worker starts even if a cluster
 * refuses them, because their work can be requested by hand.
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
