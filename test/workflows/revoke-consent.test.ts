import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { revokeConsent } from '../../workflows/revoke-consent.ts';
import { temporal } from '../support/temporal.ts';
import { startTimeSkipping, type TimeSkipping } from '../support/time-skipping.ts';
import { withWorker } from '../support/workflow-run.ts';

let env: TimeSkipping;

beforeAll(async () => {
  env = await startTimeSkipping();
}, 60_000);
afterAll(() => env?.teardown());

const cloudAccountId = 'ca_0000000000000000000000000a';

function run(revoke: () => Promise<void>) {
  const activities = { revokeConsent: revoke, giveUpConsent: async () => {} };
  return withWorker(env, temporal().codePath, activities, async ({ client, taskQueue, steps }) => {
    const workflowId = `revoke-consent/${randomUUID()}`;
    await client.workflow.execute(revokeConsent, { taskQueue, workflowId, args: [{ cloudAccountId }] });
    return steps;
  });
}

const away = () => ApplicationFailure.create({ type: 'unavailable', message: 'Google failed' });

test('retries until Google confirms', async () => {
  let attempts = 0;
  const steps = await run(async () => {
    attempts += 1;
    if (attempts < 20) throw away();
  });
  expect(steps).toHaveLength(20);
  expect(steps).not.toContain('giveUpConsent');
});

test('gives up after a week without a response and notifies a person', async () => {
  const steps = await run(async () => {
    throw away();
  });
  expect(steps.length).toBeGreaterThan(300);
  expect(steps.at(-1)).toBe('giveUpConsent');
});
