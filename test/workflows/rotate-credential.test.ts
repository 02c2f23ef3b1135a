import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Activities } from '../../activities/index.ts';
import { knownEverywhereMs, type RotationPhase, webhookOverlapMs } from '../../domain/secrets/rotation-phase.ts';
import { changed, rotateCredential } from '../../workflows/rotate-credential.ts';
import { temporal } from '../support/temporal.ts';
import { startTimeSkipping, type TimeSkipping } from '../support/time-skipping.ts';
import { withWorker } from '../support/workflow-run.ts';

let env: TimeSkipping;

/** The time of the server's clock when the test began. */
let begun: number;

beforeAll(async () => {
  env = await startTimeSkipping();
}, 60_000);
beforeEach(async () => {
  begun = await env.currentTimeMs();
});
afterAll(() => env?.teardown());

const rotationId = 'rot_0000000000000000000000000a';
const hour = 3_600_000;
const day = 24 * hour;

type Steps = Pick<
  Activities,
  | 'readRotation'
  | 'proveVersion'
  | 'proveOldVersion'
  | 'settleVersion'
  | 'probeOldVersion'
  | 'cutOver'
  | 'cutBack'
  | 'giveUpProof'
  | 'giveUpRollback'
  | 'retireOldVersion'
  | 'reportOldAlive'
>;

/** The part of the rotation's row that the workflow sees, and when each change happened. */
function row(isWebhook: boolean, immediate = false) {
  const state = { phase: 'proving' as RotationPhase, done: [] as [string, number, ...unknown[]][] };
  const said = async (what: string, ...more: unknown[]) =>
    void state.done.push([what, (await env.currentTimeMs()) - begun, ...more]);
  const stepOf = (phase: RotationPhase) => {
    if (phase === 'proving') return 'prove';
    if (phase === 'rolling_back') return 'roll_back';
    if (phase !== 'overlapping' && phase !== 'returning') return 'over';
    return isWebhook ? 'overlap' : 'probe';
  };
  const usual: Steps = {
    readRotation: async () => ({ step: stepOf(state.phase), phase: state.phase, isWebhook, immediate }),
    proveVersion: () => said('prove'),
    proveOldVersion: () => said('prove old'),
    settleVersion: () => said('settle'),
    probeOldVersion: async () => 'dead',
    async cutOver() {
      await said('cut over');
      state.phase = 'overlapping';
    },
    async cutBack() {
      await said('cut back');
      state.phase = 'returning';
    },
    async giveUpProof({ code }) {
      await said('give up', code);
      state.phase = 'rejected';
    },
    async giveUpRollback({ code }) {
      await said('no way back', code);
      state.phase = 'overlapping';
    },
    async retireOldVersion({ isDead }) {
      await said('retire', isDead);
      state.phase = state.phase === 'returning' ? 'rolled_back' : 'done';
      return true;
    },
    reportOldAlive: () => said('report'),
  };
  return { state, usual, names: () => state.done.map(([what]) => what) };
}

type Row = ReturnType<typeof row>;
type Tell = (handle: WorkflowHandle<typeof rotateCredential>) => Promise<void>;

/** Runs the workflow to its end, and returns its duration in ms and its steps. */
async function run({ usual }: Row, changes: Partial<Steps> = {}, tell: Tell = async () => {}) {
  const activities = { ...usual, ...changes };
  return withWorker(env, temporal().codePath, activities, async ({ client, taskQueue, steps }) => {
    const handle = await client.workflow.start(rotateCredential, {
      taskQueue,
      workflowId: `rotate/${randomUUID()}`,
      args: [{ rotationId }],
    });
    await tell(handle);
    await handle.result();
    // Uses the workflow's own times, because the server's clock can skip on to timers that nothing waits for.
    const first = await client.workflow.getHandle(handle.workflowId, handle.firstExecutionRunId).describe();
    const { closeTime } = await handle.describe();
    return { ms: (closeTime?.getTime() ?? 0) - first.startTime.getTime(), steps };
  });
}

test('sends a webhook secret after every process knows it, and keeps the old one for the overlap', async () => {
  const rotation = row(true);
  const { ms } = await run(rotation);
  expect(rotation.names()).toEqual(['prove', 'cut over', 'settle', 'retire']);
  expect(ms).toBeGreaterThanOrEqual(knownEverywhereMs + webhookOverlapMs);
  expect(ms).toBeLessThan(knownEverywhereMs + webhookOverlapMs + hour);
});

test('ends a leaked webhook secret at once', async () => {
  const rotation = row(true, true);
  const { ms } = await run(rotation);
  expect(rotation.names()).toEqual(['prove', 'cut over', 'settle', 'retire']);
  expect(ms).toBeLessThan(knownEverywhereMs + hour);
});

test('retries a step that fails for some time', async () => {
  const rotation = row(true);
  let failures = 5;
  const again =
    <Input>(step: (input: Input) => Promise<void>) =>
    async (input: Input) => {
      if (failures-- > 0) throw ApplicationFailure.create({ type: 'network', message: 'GitHub could not be reached' });
      await step(input);
    };
  await run(rotation, { proveVersion: again(rotation.usual.proveVersion) });
  expect(rotation.names()).toEqual(['prove', 'cut over', 'settle', 'retire']);
});

test('ends at once with the code when the provider refuses', async () => {
  const rotation = row(false);
  const proveVersion = async () => {
    throw ApplicationFailure.create({ type: 'credential_refused', message: 'No', nonRetryable: true });
  };
  const { ms } = await run(rotation, { proveVersion });
  expect(rotation.state.done).toEqual([['give up', expect.any(Number), 'credential_refused']]);
  expect(ms).toBeLessThan(hour);
});

test('checks an old key until it no longer works', async () => {
  const rotation = row(false);
  let looks = 0;
  const probeOldVersion = async () => (++looks < 6 ? ('alive' as const) : ('dead' as const));
  const { ms } = await run(rotation, { probeOldVersion });
  expect(rotation.names()).toEqual(['prove', 'cut over', 'retire']);
  expect(rotation.state.done.at(-1)?.[2]).toBe(true);
  // The pauses are 1, 2, 4, 8, 16 and 30 min.
  expect(looks).toBe(6);
  expect(ms).toBeGreaterThanOrEqual(61 * 60_000);
  expect(ms).toBeLessThan(2 * hour);
});

test('raises an incident after a day if no person deletes the old key, and stops after a month', {
  timeout: 120_000,
}, async () => {
  const rotation = row(false);
  const { ms } = await run(rotation, { probeOldVersion: async () => 'alive' });
  expect(rotation.names()).toEqual(['prove', 'cut over', 'report', 'retire']);
  expect(rotation.state.done.at(-1)?.[2]).toBe(false);
  expect(ms).toBeGreaterThanOrEqual(30 * day);
  expect(ms).toBeLessThan(31 * day);
});

test('does not take a failed check as proof that the old key no longer works', async () => {
  const rotation = row(false);
  let looks = 0;
  const probeOldVersion: Steps['probeOldVersion'] = async () => {
    looks += 1;
    if (looks < 4)
      throw ApplicationFailure.create({ type: 'unavailable', message: 'GitHub failed', nonRetryable: true });
    return looks < 6 ? 'unknown' : 'dead';
  };
  await run(rotation, { probeOldVersion });
  expect(looks).toBe(6);
  expect(rotation.names()).toEqual(['prove', 'cut over', 'retire']);
});

test('raises the incident only after it has seen the old key work', { timeout: 60_000 }, async () => {
  const rotation = row(false);
  const probeOldVersion: Steps['probeOldVersion'] = async () => {
    const now = (await env.currentTimeMs()) - begun;
    if (now > 3 * day) return 'dead';
    if (now > 2 * day) return 'alive';
    if (now > day) return 'unknown';
    throw ApplicationFailure.create({ type: 'unavailable', message: 'GitHub failed', nonRetryable: true });
  };
  await run(rotation, { probeOldVersion });
  expect(rotation.names()).toEqual(['prove', 'cut over', 'report', 'retire']);
  const reportedAt = Number(rotation.state.done[2]?.[1]);
  expect(reportedAt).toBeGreaterThan(2 * day);
  expect(reportedAt).toBeLessThan(2 * day + hour);
});

test('puts the old version back while it is valid, and then gives the new one its overlap', async () => {
  const rotation = row(true);
  const { ms } = await run(rotation, {}, async (handle) => {
    await env.sleep('2 days');
    rotation.state.phase = 'rolling_back';
    await handle.signal(changed);
  });
  expect(rotation.names()).toEqual(['prove', 'cut over', 'prove old', 'cut back', 'settle', 'retire']);
  expect(ms).toBeGreaterThanOrEqual(2 * day + webhookOverlapMs);
  expect(rotation.state.phase).toBe('rolled_back');
});

test('continues the rotation if the old version cannot be put back', async () => {
  const rotation = row(false);
  const proveOldVersion = async () => {
    throw ApplicationFailure.create({ type: 'credential_refused', message: 'No', nonRetryable: true });
  };
  let alive = true;
  const probeOldVersion = async () => (alive ? ('alive' as const) : ('dead' as const));
  await run(rotation, { proveOldVersion, probeOldVersion }, async (handle) => {
    await env.sleep('2 hours');
    rotation.state.phase = 'rolling_back';
    await handle.signal(changed);
    await env.sleep('2 hours');
    alive = false;
  });
  expect(rotation.names()).toEqual(['prove', 'cut over', 'no way back', 'retire']);
});

test('completes the rotation although an operator cancels it in Temporal', async () => {
  const rotation = row(true);
  await run(rotation, {}, async (handle) => {
    await env.sleep('1 day');
    await handle.cancel();
  });
  expect(rotation.names()).toEqual(['prove', 'cut over', 'settle', 'retire']);
});
