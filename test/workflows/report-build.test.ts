import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { moved, reportBuild } from '../../workflows/report-build.ts';
import { temporal } from '../support/temporal.ts';
import { startTimeSkipping, type TimeSkipping } from '../support/time-skipping.ts';
import { withWorker } from '../support/workflow-run.ts';

let env: TimeSkipping;

beforeAll(async () => {
  env = await startTimeSkipping();
}, 60_000);

afterAll(() => env?.teardown());

const buildId = 'bld_0000000000000000000000000a';

async function run(report: () => Promise<void>, tell = async (_signal: () => Promise<void>) => {}) {
  return withWorker(env, temporal().codePath, { reportBuild: report }, async ({ client, taskQueue, steps }) => {
    const handle = await client.workflow.signalWithStart(reportBuild, {
      taskQueue,
      workflowId: `report/${randomUUID()}`,
      args: [{ buildId }],
      signal: moved,
    });
    await tell(() => handle.signal(moved));
    await handle.result();
    return steps;
  });
}

test('reports a build that does not start once', async () => {
  expect(await run(async () => {})).toEqual(['reportBuild']);
});

test('reports again if the status changed in between', async () => {
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  let begun = false;
  const steps = await run(
    async () => {
      begun = true;
      await gate;
    },
    async (signal) => {
      await expect.poll(() => begun).toBe(true);
      await signal();
      release();
    },
  );
  expect(steps).toEqual(['reportBuild', 'reportBuild']);
});

test('retries during an outage of GitHub, but not after a refusal', async () => {
  let attempts = 0;
  await run(async () => {
    attempts += 1;
    if (attempts < 12) throw ApplicationFailure.create({ message: 'GitHub failed', type: 'unavailable' });
  });
  expect(attempts).toBe(12);

  attempts = 0;
  await run(async () => {
    attempts += 1;
    throw ApplicationFailure.nonRetryable('It is gone', 'installation_gone');
  });
  expect(attempts).toBe(1);
});
