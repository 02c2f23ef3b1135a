import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { requested, verifyCloudAccount } from '../../workflows/verify-cloud-account.ts';
import { temporal } from '../support/temporal.ts';
import { startTimeSkipping, type TimeSkipping } from '../support/time-skipping.ts';
import { withWorker } from '../support/workflow-run.ts';

let env: TimeSkipping;

beforeAll(async () => {
  env = await startTimeSkipping();
}, 60_000);
afterAll(() => env?.teardown());

const cloudAccountId = 'ca_0000000000000000000000000a';

type Activities = { askCloud: () => Promise<boolean>; beginCloudCheck?: () => Promise<boolean> };

async function run(given: Activities, alsoSignal = false) {
  const givenUp: unknown[] = [];
  const giveUpCloudCheck = async (what: unknown) => void givenUp.push(what);
  const activities = { beginCloudCheck: async () => true, giveUpCloudCheck, ...given };
  return withWorker(env, temporal().codePath, activities, async ({ client, taskQueue, steps }) => {
    const start = { taskQueue, workflowId: `verify-cloud/${randomUUID()}`, args: [{ cloudAccountId }] as const };
    const handle = alsoSignal
      ? await client.workflow.signalWithStart(verifyCloudAccount, {
          ...start,
          args: [{ cloudAccountId }],
          signal: requested,
        })
      : await client.workflow.start(verifyCloudAccount, { ...start, args: [{ cloudAccountId }] });
    await handle.result();
    return { steps, givenUp };
  });
}

const away = () => ApplicationFailure.create({ type: 'unavailable', message: 'The cloud failed' });

test('checks once, even if the first request came with a signal', async () => {
  expect((await run({ askCloud: async () => true }, true)).steps).toEqual(['beginCloudCheck', 'askCloud']);
});

test('retries until the cloud knows a new role', async () => {
  let attempts = 0;
  const nextRetryDelay = 5_000;
  const { steps, givenUp } = await run({
    async askCloud() {
      attempts += 1;
      if (attempts < 12)
        throw ApplicationFailure.create({ type: 'assume_role_refused', message: 'No', nextRetryDelay });
      return true;
    },
  });
  expect(steps.filter((step) => step === 'askCloud')).toHaveLength(12);
  expect(givenUp).toEqual([]);
});

test('checks an access that was replaced during the check', async () => {
  const answers = [false, true];
  const { steps } = await run({ askCloud: async () => answers.shift() ?? true });
  expect(steps).toEqual(['beginCloudCheck', 'askCloud', 'beginCloudCheck', 'askCloud']);
});

test('gives up during a long outage and changes nothing', async () => {
  const { steps, givenUp } = await run({
    async askCloud() {
      throw away();
    },
  });
  expect(steps.length).toBeGreaterThan(5);
  const failure = { code: 'unavailable', detail: 'The cloud failed' };
  expect(givenUp).toEqual([{ cloudAccountId, failure }]);
});

test('checks nothing for a deleted account', async () => {
  const { steps } = await run({ beginCloudCheck: async () => false, askCloud: async () => true });
  expect(steps).toEqual(['beginCloudCheck']);
});
