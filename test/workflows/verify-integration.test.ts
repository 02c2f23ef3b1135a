import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Activities } from '../../activities/index.ts';
import { requested, verifyIntegration } from '../../workflows/verify-integration.ts';
import { temporal } from '../support/temporal.ts';
import { startTimeSkipping, type TimeSkipping } from '../support/time-skipping.ts';
import { withWorker } from '../support/workflow-run.ts';

let env: TimeSkipping;
beforeAll(async () => {
  env = await startTimeSkipping();
}, 60_000);
afterAll(() => env?.teardown());

type Steps = Pick<Activities, 'beginVerification' | 'probeRegistry' | 'giveUpVerification'>;

const integrationId = 'int_0000000000000000000000000a';
const active = { status: 'active', reason: null, doubted: null };

/** Runs the workflow to its end, and returns what was given up and its steps. */
async function run(changes: Partial<Steps> = {}) {
  const givenUp: string[] = [];
  const activities: Steps = {
    beginVerification: async () => 'asked',
    probeRegistry: async () => active,
    giveUpVerification: async ({ failure }) => void givenUp.push(failure.code),
    ...changes,
  };
  return withWorker(env, temporal().codePath, activities, async ({ client, taskQueue, steps }) => {
    const workflowId = `verify/${randomUUID()}`;
    const input = { integrationId };
    const options = { taskQueue, workflowId, args: [input] as [typeof input], signal: requested };
    const handle = await client.workflow.signalWithStart(verifyIntegration, options);
    const started = Date.now();
    await handle.result();
    const { executionTime, closeTime } = await handle.describe();
    const lasted = (closeTime?.getTime() ?? 0) - (executionTime?.getTime() ?? started);
    return { givenUp, steps, lasted };
  });
}

test('checks once, even if a request comes as it begins', async () => {
  const { steps, givenUp } = await run();
  expect(steps.filter((step) => step === 'probeRegistry')).toHaveLength(1);
  expect(givenUp).toEqual([]);
});

test('checks a credential that was replaced during the check', async () => {
  let replaced = 2;
  const { steps } = await run({ probeRegistry: async () => (replaced-- > 0 ? null : active) });
  expect(steps.filter((step) => step === 'probeRegistry')).toHaveLength(3);
});

test('retries for ten minutes during an outage and then changes nothing', async () => {
  let asked = 0;
  const { givenUp, lasted } = await run({
    probeRegistry: async () => {
      asked += 1;
      throw ApplicationFailure.create({ type: 'unavailable', message: 'registry.example.com failed (503)' });
    },
  });
  expect(asked).toBeGreaterThan(5);
  expect(givenUp).toEqual(['unavailable']);
  expect(lasted).toBeGreaterThan(5 * 60_000);
  expect(lasted).toBeLessThanOrEqual(11 * 60_000);
});

test('gives up at once after a permanent failure', async () => {
  let asked = 0;
  const { givenUp } = await run({
    probeRegistry: async () => {
      asked += 1;
      throw ApplicationFailure.create({ type: 'issuer_not_public', message: 'No cloud reads it', nonRetryable: true });
    },
  });
  expect([asked, givenUp]).toEqual([1, ['issuer_not_public']]);
});

test('retries a scheduled check for a minute or two, and then waits until it is due again', async () => {
  let asked = 0;
  const { givenUp, lasted } = await run({
    beginVerification: async () => 'due',
    probeRegistry: async () => {
      asked += 1;
      throw ApplicationFailure.create({ type: 'network', message: 'The connection broke' });
    },
  });
  expect(asked).toBeGreaterThan(1);
  expect(givenUp).toEqual(['network']);
  expect(lasted).toBeLessThan(5 * 60_000);
});

test('checks nothing for a deleted integration', async () => {
  const { steps } = await run({ beginVerification: async () => 'gone' });
  expect(steps).not.toContain('probeRegistry');
});
