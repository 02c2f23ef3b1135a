import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { revokeToken } from '../../workflows/revoke-token.ts';
import { temporal } from '../support/temporal.ts';
import { startTimeSkipping, type TimeSkipping } from '../support/time-skipping.ts';
import { withWorker } from '../support/workflow-run.ts';

let env: TimeSkipping;

beforeAll(async () => {
  env = await startTimeSkipping();
}, 60_000);
afterAll(() => env?.teardown());

const mintedTokenId = 'mnt_0000000000000000000000000a';

async function run(revokeMintedToken: () => Promise<void>) {
  const givenUp: unknown[] = [];
  const giveUpRevocation = async (given: unknown) => void givenUp.push(given);
  const activities = { revokeMintedToken, giveUpRevocation };
  return withWorker(env, temporal().codePath, activities, async ({ client, taskQueue, steps }) => {
    const workflowId = `revoke/${randomUUID()}`;
    await client.workflow.execute(revokeToken, { taskQueue, workflowId, args: [{ mintedTokenId }] });
    return { steps, givenUp };
  });
}

test('retries during an outage until the provider confirms', async () => {
  let attempts = 0;
  const { steps, givenUp } = await run(async () => {
    attempts += 1;
    if (attempts < 10) throw ApplicationFailure.create({ type: 'unavailable', message: 'GitHub failed' });
  });
  expect(steps).toHaveLength(10);
  expect(givenUp).toEqual([]);
});

test('stops after a refusal and leaves the token unconfirmed', async () => {
  const { steps, givenUp } = await run(async () => {
    throw ApplicationFailure.create({ type: 'policy', message: 'GitHub does not allow it', nonRetryable: true });
  });
  expect(steps).toEqual(['revokeMintedToken', 'giveUpRevocation']);
  const failure = { code: 'policy', detail: 'GitHub does not allow it' };
  expect(givenUp).toEqual([{ mintedTokenId, failure }]);
});

test('gives up once the token has expired without a response', async () => {
  const { steps, givenUp } = await run(async () => {
    throw ApplicationFailure.create({ type: 'unavailable', message: 'GitHub failed' });
  });
  expect(steps.length).toBeGreaterThan(60);
  expect(givenUp).toHaveLength(1);
});
