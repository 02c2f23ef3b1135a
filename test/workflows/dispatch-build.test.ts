import { randomUUID } from 'node:crypto';
import { activityInfo } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Activities } from '../../activities/index.ts';
import { canceled, dispatchBuild, reported } from '../../workflows/dispatch-build.ts';
import { temporal } from '../support/temporal.ts';
import { startTimeSkipping, type TimeSkipping } from '../support/time-skipping.ts';
import { withWorker } from '../support/workflow-run.ts';

let env: TimeSkipping;

beforeAll(async () => {
  env = await startTimeSkipping();
}, 60_000);

afterAll(() => env?.teardown());

const buildId = 'bld_0000000000000000000000000a';

/** The default activities: the run is known at once and never ends. */
function usual(): Pick<
  Activities,
  | 'sendDispatch'
  | 'settleDispatch'
  | 'lookForRun'
  | 'cancelRun'
  | 'markUncertain'
  | 'cancelInTemporal'
  | 'endBuild'
  | 'reportBuild'
> {
  return {
    sendDispatch: async () => ({ outcome: 'running' }),
    settleDispatch: async () => ({ outcome: 'unknown' }),
    lookForRun: async () => ({ state: 'running' }),
    cancelRun: async () => ({ state: 'running' }),
    markUncertain: async () => true,
    cancelInTemporal: async () => {},
    endBuild: async () => 'ended',
    reportBuild: async () => {},
  };
}

type Told = (handle: WorkflowHandle<typeof dispatchBuild>, sleep: (seconds: number) => Promise<void>) => Promise<void>;

/** Runs one build, and returns its steps without the reports, and how it ended. */
async function run(activities: Partial<ReturnType<typeof usual>>, tell: Told = async () => {}, signal?: 'canceled') {
  const ends: unknown[] = [];
  const given = { ...usual(), ...activities };
  const all = {
    ...given,
    endBuild: async (input: Parameters<Activities['endBuild']>[0]) => {
      ends.push(input.end);
      return given.endBuild(input);
    },
  };
  return withWorker(env, temporal().codePath, all, async ({ client, taskQueue, steps }) => {
    const args: Parameters<typeof dispatchBuild> = [{ buildId, timeoutMinutes: 60 }];
    const options = { taskQueue, workflowId: `build/${randomUUID()}`, args };
    const handle = signal
      ? await client.workflow.signalWithStart(dispatchBuild, { ...options, signal: canceled, signalArgs: [] })
      : await client.workflow.start(dispatchBuild, options);
    await tell(handle, (seconds) => env.sleep(seconds * 1000));
    await handle.result();
    return { steps, ends };
  });
}

const times = (steps: string[], name: string) => steps.filter((step) => step === name).length;

/** Records when an activity was requested, in seconds since the first request. */
function clock() {
  const at: number[] = [];
  return {
    tick: () => at.push(activityInfo().currentAttemptScheduledTimestampMs),
    seconds: () => at.map((ms) => Math.round((ms - (at[0] ?? 0)) / 1000)),
  };
}

describe('a known run', () => {
  test('ends its build when a webhook reports its end', async () => {
    const { steps, ends } = await run({}, async (handle, sleep) => {
      await sleep(10);
      await handle.signal(reported, { runId: 7, ended: { status: 'succeeded' } });
    });
    expect(steps).toEqual(['sendDispatch', 'endBuild', 'reportBuild']);
    expect(ends).toEqual([{ status: 'succeeded' }]);
  });

  test('is polled after a minute and then less often if no webhook arrives', async () => {
    const asked = clock();
    const { ends } = await run({
      lookForRun: async () => {
        asked.tick();
        const count = asked.seconds().length;
        return count < 8 ? { state: 'running' } : { state: 'ended', end: { status: 'failed', reason: 'run_failed' } };
      },
    });
    expect(asked.seconds()).toEqual([0, 90, 225, 428, 728, 1028, 1328, 1628]);
    expect(ends).toEqual([{ status: 'failed', reason: 'run_failed' }]);
  });

  test('is canceled at GitHub when a person cancels the build', async () => {
    const { steps, ends } = await run({}, async (handle, sleep) => {
      await sleep(5);
      await handle.signal(canceled);
    });
    expect(steps).toEqual(['sendDispatch', 'cancelRun', 'endBuild', 'reportBuild']);
    expect(ends).toEqual([{ status: 'canceled', reason: 'canceled_by_request' }]);
  });

  test('continues after signals for which the database has decided nothing', async () => {
    const asked: number[] = [];
    const { steps, ends } = await run(
      { endBuild: async () => (asked.push(1) < 3 ? 'undecided' : 'ended') },
      async (handle, sleep) => {
        await sleep(5);
        await handle.signal(canceled);
        await sleep(5);
        await handle.signal(reported, { runId: 7, ended: { status: 'succeeded' } });
        await sleep(5);
        await handle.signal(reported, { runId: 7, ended: { status: 'failed', reason: 'run_failed' } });
      },
    );
    expect(ends.map((end) => (end as { status: string }).status)).toEqual(['canceled', 'succeeded', 'failed']);
    expect(times(steps, 'sendDispatch')).toBe(3);
    expect(times(steps, 'reportBuild')).toBe(1);
  });

  test('is canceled when an operator cancels the workflow in Temporal', async () => {
    const { steps, ends } = await run({}, async (handle, sleep) => {
      await sleep(5);
      await handle.cancel();
    });
    expect(steps).toEqual(['sendDispatch', 'cancelInTemporal', 'cancelRun', 'endBuild', 'reportBuild']);
    expect(ends).toEqual([{ status: 'canceled', reason: 'canceled_by_request' }]);
  });

  test('keeps its own result if it ended before the cancellation', async () => {
    const { ends } = await run(
      { cancelRun: async () => ({ state: 'ended', end: { status: 'succeeded' } }) },
      async (handle, sleep) => {
        await sleep(5);
        await handle.signal(canceled);
      },
    );
    expect(ends).toEqual([{ status: 'succeeded' }]);
  });

  test('is canceled when it exceeds the pipeline’s time limit', async () => {
    const { steps, ends } = await run({});
    expect(times(steps, 'cancelRun')).toBe(1);
    expect(ends).toEqual([{ status: 'timed_out', reason: 'pipeline_timeout' }]);
  });

  test('fails its build when access to it is lost', async () => {
    const { ends } = await run({
      lookForRun: async () => {
        throw ApplicationFailure.nonRetryable('The installation is suspended', 'installation_suspended');
      },
    });
    expect(ends).toEqual([{ status: 'failed', reason: 'installation_suspended' }]);
  });

  test('is still followed after temporary failures', async () => {
    let asked = 0;
    const { ends } = await run({
      lookForRun: async () => {
        asked += 1;
        if (asked < 5) throw ApplicationFailure.create({ message: 'GitHub failed', type: 'unavailable' });
        return { state: 'ended', end: { status: 'succeeded' } };
      },
    });
    expect(ends).toEqual([{ status: 'succeeded' }]);
  });

  test('fails its build when GitHub no longer has it', async () => {
    const { ends } = await run({ lookForRun: async () => ({ state: 'missing' }) });
    expect(ends).toEqual([{ status: 'failed', reason: 'run_missing' }]);
  });
});

describe('a dispatch', () => {
  test('is only reported when GitHub rejected it', async () => {
    const { steps } = await run({ sendDispatch: async () => ({ outcome: 'over' }) });
    expect(steps).toEqual(['sendDispatch', 'reportBuild']);
  });

  test('is sent again after the pause that GitHub asked for, if nothing was sent', async () => {
    const sent = clock();
    const { steps } = await run(
      {
        sendDispatch: async ({ tries }) => {
          sent.tick();
          return tries < 2
            ? { outcome: 'later', retryAfterMs: 90_000, code: 'secondary_limited' }
            : { outcome: 'running' };
        },
      },
      async (handle, sleep) => {
        await sleep(200);
        await handle.signal(reported, { runId: 7, ended: { status: 'succeeded' } });
      },
    );
    expect(sent.seconds()).toEqual([0, 90, 180]);
    expect(steps.at(-1)).toBe('reportBuild');
  });

  test('is not sent after the build was canceled', async () => {
    const { steps, ends } = await run(
      {
        sendDispatch: async () => ({ outcome: 'later', retryAfterMs: 90_000, code: 'rate_limited' }),
        settleDispatch: async () => ({ outcome: 'later', retryAfterMs: 5_000, code: 'interrupted' }),
      },
      async (handle, sleep) => {
        await sleep(5);
        await handle.signal(canceled);
      },
    );
    expect(steps).toEqual(['sendDispatch', 'settleDispatch', 'endBuild', 'reportBuild']);
    expect(ends).toEqual([{ status: 'canceled', reason: 'canceled_by_request' }]);
  });

  test('cancels the run at GitHub if an earlier run of the workflow has sent the build', async () => {
    const { steps, ends } = await run(
      { settleDispatch: async () => ({ outcome: 'running' }) },
      async () => {},
      'canceled',
    );
    expect(steps).toEqual(['settleDispatch', 'cancelRun', 'endBuild', 'reportBuild']);
    expect(ends).toEqual([{ status: 'canceled', reason: 'canceled_by_request' }]);
  });

  test('times out if GitHub never accepts it', async () => {
    const { ends } = await run({
      sendDispatch: async () => ({ outcome: 'later', retryAfterMs: 600_000, code: 'rate_limited' }),
    });
    expect(ends).toEqual([{ status: 'timed_out', reason: 'not_accepted_in_time' }]);
  });

  test('is sent again if its attempt died before it sent anything', async () => {
    let attempts = 0;
    const { steps } = await run(
      {
        sendDispatch: async () => {
          attempts += 1;
          if (attempts === 1) throw new Error('the worker went away');
          return { outcome: 'running' };
        },
        settleDispatch: async () => ({ outcome: 'later', retryAfterMs: 5_000, code: 'interrupted' }),
      },
      async (handle, sleep) => {
        await sleep(30);
        await handle.signal(reported, { runId: 7, ended: { status: 'succeeded' } });
      },
    );
    expect(steps).toEqual(['sendDispatch', 'settleDispatch', 'sendDispatch', 'endBuild', 'reportBuild']);
  });
});

describe('a dispatch with an unknown outcome', () => {
  const died = {
    sendDispatch: async () => {
      throw new Error('the worker went away');
    },
  };

  test('is searched for at 5, 15, 30, 60 and 120 s, held for a person, and never sent again', async () => {
    const asked = clock();
    const { steps, ends } = await run({
      ...died,
      lookForRun: async () => {
        asked.tick();
        return { state: 'absent' };
      },
    });
    expect(asked.seconds().slice(0, 5)).toEqual([0, 10, 25, 55, 115]);
    expect(steps.slice(0, 10)).toEqual([
      'sendDispatch',
      'settleDispatch',
      'reportBuild',
      ...Array(5).fill('lookForRun'),
      'markUncertain',
      'reportBuild',
    ]);
    expect(times(steps, 'sendDispatch')).toBe(1);
    expect(ends).toEqual([{ status: 'timed_out', reason: 'run_not_found' }]);
  });

  test('becomes a running build once its run is found', async () => {
    let asked = 0;
    const { steps, ends } = await run(
      {
        ...died,
        lookForRun: async () => {
          asked += 1;
          return asked < 3 ? { state: 'absent' } : { state: 'running' };
        },
      },
      async (handle, sleep) => {
        await sleep(50);
        await handle.signal(reported, { runId: 7, ended: { status: 'succeeded' } });
      },
    );
    expect(steps).toEqual([
      'sendDispatch',
      'settleDispatch',
      'reportBuild',
      'lookForRun',
      'lookForRun',
      'lookForRun',
      'reportBuild',
      'endBuild',
      'reportBuild',
    ]);
    expect(ends).toEqual([{ status: 'succeeded' }]);
  });

  test('is found by the run’s webhook while it is held', async () => {
    const { steps, ends } = await run(
      { ...died, lookForRun: async () => ({ state: 'absent' }) },
      async (handle, sleep) => {
        await sleep(130);
        await handle.signal(reported, { runId: 7 });
        await sleep(20);
        await handle.signal(reported, { runId: 7, ended: { status: 'failed', reason: 'run_failed' } });
      },
    );
    expect(steps.slice(-5)).toEqual(['markUncertain', 'reportBuild', 'reportBuild', 'endBuild', 'reportBuild']);
    expect(ends).toEqual([{ status: 'failed', reason: 'run_failed' }]);
  });

  test('ends when a person cancels it while it is held', async () => {
    const { steps, ends } = await run(
      { ...died, lookForRun: async () => ({ state: 'absent' }), cancelRun: async () => ({ state: 'absent' }) },
      async (handle, sleep) => {
        await sleep(140);
        await handle.signal(canceled);
      },
    );
    expect(times(steps, 'sendDispatch')).toBe(1);
    expect(ends).toEqual([{ status: 'canceled', reason: 'canceled_by_request' }]);
  });

  test('raises no incident if GitHub accepted it and only the run is unknown', async () => {
    let asked = 0;
    const { steps } = await run(
      {
        sendDispatch: async () => ({ outcome: 'accepted' }),
        lookForRun: async () => {
          asked += 1;
          return asked < 7 ? { state: 'absent' } : { state: 'ended', end: { status: 'succeeded' } };
        },
      },
      async () => {},
    );
    expect(times(steps, 'markUncertain')).toBe(0);
    expect(steps.slice(-2)).toEqual(['endBuild', 'reportBuild']);
  });
});

test('ends the build although its end cannot be reported', async () => {
  const { ends } = await run(
    {
      reportBuild: async () => {
        throw ApplicationFailure.nonRetryable('The App lacks a permission', 'permission_missing');
      },
    },
    (handle) => handle.signal(reported, { runId: 7, ended: { status: 'succeeded' } }),
  );
  expect(ends).toEqual([{ status: 'succeeded' }]);
});
