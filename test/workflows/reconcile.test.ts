import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Activities } from '../../activities/index.ts';
import { reconcile, reconcileApp, reconciliationRequested } from '../../workflows/reconcile.ts';
import { temporal } from '../support/temporal.ts';
import { startTimeSkipping, type TimeSkipping } from '../support/time-skipping.ts';
import { withWorker } from '../support/workflow-run.ts';

let env: TimeSkipping;

beforeAll(async () => {
  env = await startTimeSkipping();
}, 60_000);
afterAll(() => env?.teardown());

type Steps = Pick<Activities, 'requestReconciliations' | 'sweepStuck' | 'checkApp'>;

const nothing: Steps = {
  requestReconciliations: async () => {},
  sweepStuck: async () => {},
  checkApp: async () => {},
};
const githubAppId = 'gha_0000000000000000000000000a';

test('compares every App each night, and then looks for stuck builds and deletions', async () => {
  await withWorker(env, temporal().codePath, nothing, async ({ client, taskQueue, steps }) => {
    await client.workflow.execute(reconcile, { taskQueue, workflowId: `reconcile/${randomUUID()}` });
    expect(steps).toEqual(['requestReconciliations', 'sweepStuck']);
  });
});

async function runApp(checkApp: Steps['checkApp']) {
  return withWorker(env, temporal().codePath, { ...nothing, checkApp }, async ({ client, taskQueue, steps }) => {
    const workflowId = `reconcile/${randomUUID()}`;
    const handle = await client.workflow.start(reconcileApp, { taskQueue, workflowId, args: [{ githubAppId }] });
    await handle.signal(reconciliationRequested);
    await handle.result();
    return steps;
  });
}

test('compares an App once its host is back after hours', async () => {
  let left = 5;
  const away = () => ApplicationFailure.create({ type: 'unavailable', message: 'away', nextRetryDelay: '10 minutes' });
  const steps = await runApp(async () => {
    left -= 1;
    if (left > 0) throw away();
  });
  expect(steps).toEqual(Array(5).fill('checkApp'));
}, 60_000);

test('ends without a workflow failure when GitHub rejects the App', async () => {
  const type = 'app_credentials_rejected';
  const steps = await runApp(async () => {
    throw ApplicationFailure.create({ type, message: 'refused', nonRetryable: true });
  });
  expect(steps).toEqual(['checkApp']);
}, 60_000);
