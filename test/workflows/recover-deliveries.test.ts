import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Activities } from '../../activities/index.ts';
import { recoverAllDeliveries, recoverDeliveries, recoveryRequested } from '../../workflows/recover-deliveries.ts';
import { connectTemporal, temporal } from '../support/temporal.ts';
import { startTimeSkipping, type TimeSkipping } from '../support/time-skipping.ts';
import { withWorker } from '../support/workflow-run.ts';

let env: TimeSkipping;

// Each test gets its own server, because a workflow that a failed test leaves behind would hold the clock of the next.
beforeAll(async () => {
  env = await startTimeSkipping();
}, 60_000);

afterAll(() => env?.teardown());

type Steps = Pick<Activities, 'beginRecovery' | 'readDeliveryLog' | 'fillGap' | 'finishRecovery'>;

const githubAppId = 'gha_0000000000000000000000000a';
const nothing = { recovered: 0, sentAgain: 0, next: null, again: false };
const gap = (last: string) => ({ repositoryId: `repo_${last}`, ownerId: 'prj_a' });

/** Runs the workflow to its end. `duringFirstRead` runs while the log is being read for the first time. */
async function run(changes: Partial<Steps> = {}, duringFirstRead?: (request: () => Promise<void>) => Promise<void>) {
  const said: string[] = [];
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  if (!duringFirstRead) release();
  const told: Steps = {
    beginRecovery: async () => ({ begunAt: 1, gaps: [] }),
    readDeliveryLog: async () => nothing,
    fillGap: async ({ repositoryId }) => said.push(repositoryId),
    finishRecovery: async ({ failure }) => void said.push(failure ? `failed ${failure.code}` : 'done'),
    ...changes,
  };
  const readDeliveryLog: Steps['readDeliveryLog'] = async (input) => {
    await gate;
    said.push(`read ${input.cursor ?? 'from the newest'}`);
    return told.readDeliveryLog(input);
  };
  return withWorker(env, temporal().codePath, { ...told, readDeliveryLog }, async ({ client, taskQueue, steps }) => {
    const workflowId = `recover/${randomUUID()}`;
    const handle = await client.workflow.start(recoverDeliveries, { taskQueue, workflowId, args: [{ githubAppId }] });
    if (duringFirstRead) {
      await expect.poll(() => steps.includes('readDeliveryLog'), { timeout: 10_000 }).toBe(true);
      await duringFirstRead(() => handle.signal(recoveryRequested));
      release();
    }
    await handle.result();
    const { startTime, closeTime } = await handle.describe();
    return { said, steps, seconds: ((closeTime?.getTime() ?? 0) - startTime.getTime()) / 1000 };
  });
}

test('reads a log part by part, each from where the previous one ended', async () => {
  const parts = [
    { recovered: 500, sentAgain: 0, next: null, again: true },
    { recovered: 500, sentAgain: 0, next: '77', again: true, begunAt: 0 },
    { recovered: 3, sentAgain: 0, next: null, again: false },
  ];
  const begun: number[] = [];
  const { said } = await run({
    readDeliveryLog: async ({ begunAt }) => {
      begun.push(begunAt);
      return parts.shift() ?? nothing;
    },
  });
  expect(said).toEqual(['read from the newest', 'read from the newest', 'read 77', 'done']);
  // After a part has returned its own time, the earlier of the two clocks is used.
  expect(begun).toEqual([1, 1, 0]);
});

test('stops reading a log that never ends', async () => {
  const more = { recovered: 0, sentAgain: 0, next: '77', again: true };
  const { said } = await run({ readDeliveryLog: async () => more });
  expect(said.at(-1)).toBe('done');
  expect(said).toHaveLength(201);
}, 60_000);

test('checks for redeliveries after half a minute, at most twice', async () => {
  const sending = { recovered: 0, sentAgain: 4, next: null, again: false };
  const answers = [sending];
  const once = await run({ readDeliveryLog: async () => answers.shift() ?? nothing });
  expect(once.said).toEqual(['read from the newest', 'done', 'read from the newest', 'done']);
  // This includes the pause after it, in which a request can start another reading.
  expect(once.seconds).toBeGreaterThan(44);
  expect(once.seconds).toBeLessThan(55);

  const always = await run({ readDeliveryLog: async () => sending });
  expect(always.said.filter((one) => one === 'done')).toHaveLength(3);
});

test('reads once more after a hundred requests during a reading', async () => {
  const { said } = await run({}, async (request) => {
    await Promise.all(Array.from({ length: 100 }, request));
  });
  expect(said.filter((one) => one === 'done')).toHaveLength(2);
});

test('serves two simultaneous requests with one workflow and one or two readings', async () => {
  const readings: string[] = [];
  const activities: Steps = {
    beginRecovery: async () => ({ begunAt: 1, gaps: [] }),
    readDeliveryLog: async () => nothing,
    fillGap: async () => 0,
    finishRecovery: async () => void readings.push('done'),
  };
  // Uses the real server: the server that skips time may never respond to the second of two simultaneous requests.
  const place = await connectTemporal();
  await withWorker(place, temporal().codePath, activities, async ({ client, taskQueue }) => {
    const workflowId = `recover/${randomUUID()}`;
    const args: Parameters<typeof recoverDeliveries> = [{ githubAppId }];
    const ask = () =>
      client.workflow.signalWithStart(recoverDeliveries, { taskQueue, workflowId, args, signal: recoveryRequested });
    const [first, second] = await Promise.all([ask(), ask()]);
    expect(first.signaledRunId).toBe(second.signaledRunId);
    await first.result();
  });
  await place.close();
  expect([1, 2]).toContain(readings.length);
}, 60_000);

test('starts the first reading at once, and later ones at most every 15 seconds', async () => {
  const begun: number[] = [];
  const steps: Omit<Steps, 'fillGap'> = {
    beginRecovery: async () => ({ begunAt: 1, gaps: [] }),
    readDeliveryLog: async () => {
      begun.push(await env.currentTimeMs());
      return nothing;
    },
    finishRecovery: async () => {},
  };
  const startedAt = await env.currentTimeMs();
  await withWorker(env, temporal().codePath, steps, async ({ client, taskQueue }) => {
    const workflowId = `recover/${randomUUID()}`;
    const args: [{ githubAppId: string }] = [{ githubAppId }];
    const options = { taskQueue, workflowId, args, signal: recoveryRequested };
    for (let at = 0; at < 10; at += 1) {
      await client.workflow.signalWithStart(recoverDeliveries, options);
      await env.sleep('4 seconds');
    }
    await client.workflow.getHandle(workflowId).result();
  });
  expect(begun[0]).toBeLessThan(startedAt + 4_000);
  const apart = begun.slice(1).map((time, at) => time - (begun[at] ?? 0));
  expect(apart.length).toBeGreaterThan(1);
  expect(Math.min(...apart)).toBeGreaterThan(14_000);
});

test('compares the branches after the log, and continues after a repository that fails', async () => {
  const filled: string[] = [];
  const { said } = await run({
    beginRecovery: async () => ({ begunAt: 1, gaps: [gap('a'), gap('b'), gap('c')] }),
    fillGap: async ({ repositoryId }) => {
      if (repositoryId === 'repo_a')
        throw ApplicationFailure.create({ type: 'permission_missing', message: 'No', nonRetryable: true });
      if (repositoryId === 'repo_b') throw ApplicationFailure.create({ type: 'unavailable', message: 'Later' });
      filled.push(repositoryId);
      return 1;
    },
  });
  expect(filled).toEqual(['repo_c']);
  expect(said).toEqual(['read from the newest', 'done']);
});

test('ends a refused reading with the reason, and serves a later request with another one', async () => {
  const refuse: Steps['readDeliveryLog'] = async () => {
    throw ApplicationFailure.create({ type: 'app_credentials_rejected', message: 'No', nonRetryable: true });
  };
  const { said } = await run({ readDeliveryLog: refuse }, (request) => request());
  const failed = ['read from the newest', 'failed app_credentials_rejected'];
  expect(said).toEqual([...failed, ...failed]);
});

test('waits for a rate limit as long as GitHub says', async () => {
  let asked = 0;
  const { said, seconds } = await run({
    readDeliveryLog: async () => {
      asked += 1;
      if (asked > 1) return nothing;
      throw ApplicationFailure.create({ type: 'rate_limited', message: 'Later', nextRetryDelay: 2_400_000 });
    },
  });
  expect(said.at(-1)).toBe('done');
  expect(seconds).toBeGreaterThan(2_399);
});

test('asks for every App once when the schedule runs', async () => {
  const steps = await withWorker(
    env,
    temporal().codePath,
    { requestRecoveries: async () => {} },
    async ({ client, taskQueue, steps }) => {
      await client.workflow.execute(recoverAllDeliveries, { taskQueue, workflowId: `recover/${randomUUID()}` });
      return steps;
    },
  );
  expect(steps).toEqual(['requestRecoveries']);
});
