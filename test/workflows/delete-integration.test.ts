import { randomUUID } from 'node:crypto';
import { activityInfo } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Activities } from '../../activities/index.ts';
import { deleteIntegration } from '../../workflows/delete-integration.ts';
import { temporal } from '../support/temporal.ts';
import { startTimeSkipping, type TimeSkipping } from '../support/time-skipping.ts';
import { withWorker } from '../support/workflow-run.ts';

let env: TimeSkipping;

beforeAll(async () => {
  env = await startTimeSkipping();
}, 60_000);

afterAll(() => env?.teardown());

const integrationId = 'int_0000000000000000000000000a';
const installations = ['ins_0000000000000000000000000a', 'ins_0000000000000000000000000b'];
const day = 86_400;

type Steps = Pick<Activities, 'readDeletion' | 'uninstallInstallation' | 'giveUpUninstall' | 'finishDeletion'>;

async function run(
  changes: Partial<Steps> = {},
  tell: (handle: { cancel(): Promise<unknown> }) => Promise<void> = async () => {},
) {
  const finished: unknown[] = [];
  const usual: Steps = {
    readDeletion: async () => ({ builds: 0, installations }),
    uninstallInstallation: async () => 'revoked',
    giveUpUninstall: async () => 'unconfirmed',
    finishDeletion: async ({ outcomes }) => void finished.push(outcomes),
  };
  return withWorker(env, temporal().codePath, { ...usual, ...changes }, async ({ client, taskQueue, steps }) => {
    const handle = await client.workflow.start(deleteIntegration, {
      taskQueue,
      workflowId: `delete/${randomUUID()}`,
      args: [{ integrationId }],
    });
    await tell(handle);
    await handle.result();
    return { steps, finished };
  });
}

/** Records when GitHub was asked, in seconds since the first time. */
function failing(failure: Error, times = Number.POSITIVE_INFINITY) {
  const at: number[] = [];
  return {
    seconds: () => at.map((ms) => Math.round((ms - (at[0] ?? 0)) / 1000)),
    async uninstallInstallation() {
      at.push(activityInfo().currentAttemptScheduledTimestampMs);
      if (at.length <= times) throw failure;
      return 'revoked' as const;
    },
  };
}

const one = async () => ({ builds: 0, installations: installations.slice(0, 1) });
const outage = ApplicationFailure.create({ message: 'GitHub failed', type: 'unavailable' });

describe('a deletion', () => {
  test('releases every installation and ends', async () => {
    const { steps, finished } = await run();
    expect(steps).toEqual(['readDeletion', 'uninstallInstallation', 'uninstallInstallation', 'finishDeletion']);
    expect(finished).toEqual([['revoked', 'revoked']]);
  });

  test('waits for running builds, but not for long', async () => {
    let left = 3;
    const ending = await run({ readDeletion: async () => ({ builds: left-- > 0 ? 1 : 0, installations: [] }) });
    expect(ending.steps.filter((step) => step === 'readDeletion')).toHaveLength(4);
    const stuck = await run({ readDeletion: async () => ({ builds: 1, installations: [] }) });
    expect(stuck.steps.filter((step) => step === 'readDeletion')).toHaveLength(7);
    expect(stuck.finished).toEqual([[]]);
  });

  test('retries until GitHub responds', async () => {
    const { seconds, uninstallInstallation } = failing(outage, 3);
    const { finished } = await run({ readDeletion: one, uninstallInstallation });
    expect(seconds()).toHaveLength(4);
    expect(finished).toEqual([['revoked']]);
  });

  test('ends after a week without a response, and leaves the rest to a person', async () => {
    const { seconds, uninstallInstallation } = failing(outage);
    const { steps, finished } = await run({ readDeletion: one, uninstallInstallation });
    const last = seconds().at(-1) ?? 0;
    expect(last).toBeGreaterThan(6.9 * day);
    expect(last).toBeLessThanOrEqual(7 * day);
    expect(steps.slice(-2)).toEqual(['giveUpUninstall', 'finishDeletion']);
    expect(finished).toEqual([['unconfirmed']]);
  });

  test('does not retry after GitHub refuses', async () => {
    const given: string[] = [];
    const { seconds, uninstallInstallation } = failing(
      ApplicationFailure.nonRetryable('no', 'app_credentials_rejected'),
    );
    await run({
      readDeletion: one,
      uninstallInstallation,
      giveUpUninstall: async ({ code }) => {
        given.push(code);
        return 'unconfirmed';
      },
    });
    expect(seconds()).toHaveLength(1);
    expect(given).toEqual(['app_credentials_rejected']);
  });

  test('is not stopped by a cancellation in Temporal', async () => {
    const { finished } = await run(
      { uninstallInstallation: () => new Promise((resolve) => setTimeout(() => resolve('revoked'), 500)) },
      async (handle) => void (await handle.cancel()),
    );
    expect(finished).toEqual([['revoked', 'revoked']]);
  });
});
