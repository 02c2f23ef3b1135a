import { randomUUID } from 'node:crypto';
import { activityInfo } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Activities } from '../../activities/index.ts';
import type { FlowStatus, FlowStep } from '../../domain/connect/flow-status.ts';
import { changed, connectGithub, installed } from '../../workflows/connect-github.ts';
import { temporal } from '../support/temporal.ts';
import { startTimeSkipping, type TimeSkipping } from '../support/time-skipping.ts';
import { withWorker } from '../support/workflow-run.ts';

let env: TimeSkipping;

beforeAll(async () => {
  env = await startTimeSkipping();
}, 60_000);

afterAll(() => env?.teardown());

const flowId = 'flow_0000000000000000000000000a';
const day = 86_400_000;

type Steps = Pick<
  Activities,
  | 'readFlow'
  | 'endFlow'
  | 'convertManifest'
  | 'giveUpConversion'
  | 'identifyInstaller'
  | 'forgetSignIn'
  | 'proveOwnership'
  | 'bindInstallation'
  | 'lookForApproval'
>;

/** The part of the flow's row that the workflow sees. */
function row(step: FlowStep, status: FlowStatus, livesMs = day) {
  const state = { step, status, expiresAt: Number.NaN, ends: [] as unknown[] };
  const move = (next: FlowStep, to: FlowStatus = state.status) => void Object.assign(state, { step: next, status: to });
  const usual: Steps = {
    async readFlow() {
      // Uses the server's clock, which skips time. A local activity has the worker's clock.
      const now = await env.currentTimeMs();
      if (Number.isNaN(state.expiresAt)) state.expiresAt = now + livesMs;
      return { step: state.step, status: state.status, expiresInMs: Math.max(0, state.expiresAt - now) };
    },
    async endFlow({ flowId: _, ...end }) {
      state.ends.push(end);
      move('over', end.status);
    },
    convertManifest: async () => move('wait', 'app_created'),
    giveUpConversion: async ({ code }) => {
      state.ends.push(code);
      move('over', 'failed');
    },
    async identifyInstaller() {
      move('prove');
      return { outcome: 'identified' };
    },
    forgetSignIn: async () => move('wait'),
    proveOwnership: async () => ({ outcome: 'proven' }),
    bindInstallation: async () => move('over', 'completed'),
    lookForApproval: async () => ({ outcome: 'unseen' }),
  };
  return { state, move, usual };
}

type Row = ReturnType<typeof row>;
type Tell = (handle: WorkflowHandle<typeof connectGithub>, sleep: (seconds: number) => Promise<void>) => Promise<void>;

/** Runs one flow to its end, and returns its steps without the reads of the row. */
async function run({ state, usual }: Row, activities: Partial<Steps> = {}, tell: Tell = async () => {}) {
  return withWorker(env, temporal().codePath, { ...usual, ...activities }, async ({ client, taskQueue, steps }) => {
    const handle = await client.workflow.start(connectGithub, {
      taskQueue,
      workflowId: `connect-github/${randomUUID()}`,
      args: [{ flowId }],
    });
    await tell(handle, (seconds) => env.sleep(seconds * 1000));
    await handle.result();
    return { steps: steps.filter((step) => step !== 'readFlow'), ends: state.ends, handle };
  });
}

/** Records when an activity was requested, in seconds since the first request. */
function clock() {
  const at: number[] = [];
  return {
    tick: () => at.push(activityInfo().currentAttemptScheduledTimestampMs),
    seconds: () => at.map((ms) => Math.round((ms - (at[0] ?? 0)) / 1000)),
  };
}

const pausesOf = (seconds: number[]) => seconds.slice(1).map((at, index) => at - (seconds[index] ?? 0));

const passing = (type: string) => ApplicationFailure.create({ message: 'GitHub failed', type });
const final = (type: string) => ApplicationFailure.nonRetryable('GitHub refuses', type);

describe('the whole flow', () => {
  test('converts, waits for the person, identifies, proves and binds', async () => {
    const one = row('wait', 'page_served');
    const { steps } = await run(one, {}, async (handle, sleep) => {
      await sleep(60);
      one.move('convert', 'code_received');
      await handle.signal(changed);
      await sleep(60);
      one.move('identify', 'install_pending');
      await handle.signal(changed);
    });
    expect(steps).toEqual(['convertManifest', 'identifyInstaller', 'proveOwnership', 'bindInstallation']);
    expect(one.state).toMatchObject({ status: 'completed', ends: [] });
  });

  test('does nothing if the flow has already ended', async () => {
    const { steps, handle } = await run(row('over', 'completed'));
    expect(steps).toEqual([]);
    expect((await handle.describe()).historyLength).toBeLessThan(8);
  });

  test.each([
    ['created', 'app_not_created'],
    ['page_served', 'app_not_created'],
    ['app_created', 'not_installed'],
    ['install_pending', 'not_installed'],
    ['awaiting_approval', 'not_approved'],
  ] as const)('ends in %s when the person does not come', async (status, reason) => {
    expect((await run(row('wait', status))).ends).toEqual([{ status: 'expired', reason }]);
  });

  test('waits longer if the row was given more time', async () => {
    const one = row('wait', 'install_pending', 3_600_000);
    const { ends } = await run(one, {}, async (_, sleep) => {
      await sleep(1_800);
      one.state.expiresAt += day;
      await sleep(7_200);
      expect(one.state.ends).toEqual([]);
    });
    expect(ends).toEqual([{ status: 'expired', reason: 'not_installed' }]);
  });

  test('ends when an operator cancels it in Temporal', async () => {
    const { ends } = await run(row('wait', 'install_pending'), {}, async (handle, sleep) => {
      await sleep(10);
      await handle.cancel();
    });
    expect(ends).toEqual([{ status: 'canceled', reason: 'canceled_by_request' }]);
  });

  test('is canceled only after a sent code has created its App', async () => {
    const one = row('convert', 'code_received');
    const { steps } = await run(
      one,
      {
        async convertManifest() {
          await new Promise((resolve) => setTimeout(resolve, 500));
          one.move('wait', 'app_created');
        },
      },
      async (handle) => void (await handle.cancel()),
    );
    expect(steps).toEqual(['convertManifest', 'endFlow']);
  });
});

describe('a conversion', () => {
  test('is retried for an hour and then given up', async () => {
    const asked = clock();
    const { ends } = await run(row('convert', 'code_received'), {
      convertManifest: async () => {
        asked.tick();
        throw passing('conversion_unauthorized');
      },
    });
    const seconds = asked.seconds();
    const pauses = pausesOf(seconds);
    expect(pauses.slice(1, 6).every((ms, at) => Math.abs(ms - 2 ** (at + 1)) <= 1)).toBe(true);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(61);
    expect(seconds.at(-1)).toBeGreaterThan(3_400);
    expect(seconds.at(-1)).toBeLessThanOrEqual(3_600);
    expect(ends).toEqual(['conversion_unauthorized']);
  });

  test('is given up at once after a permanent refusal', async () => {
    const { steps, ends } = await run(row('convert', 'code_received'), {
      convertManifest: () => Promise.reject(final('address_refused')),
    });
    expect(steps).toEqual(['convertManifest', 'giveUpConversion']);
    expect(ends).toEqual(['address_refused']);
  });
});

describe('a sign-in', () => {
  test('waits for another one when the code was used', async () => {
    const one = row('identify', 'install_pending');
    let asked = 0;
    const { steps } = await run(
      one,
      {
        async identifyInstaller() {
          asked += 1;
          one.move(asked === 1 ? 'wait' : 'prove');
          return { outcome: asked === 1 ? 'sign_in_again' : 'identified' };
        },
      },
      async (handle, sleep) => {
        await sleep(30);
        one.move('identify');
        await handle.signal(changed);
      },
    );
    expect(steps).toEqual(['identifyInstaller', 'identifyInstaller', 'proveOwnership', 'bindInstallation']);
  });

  test('is dropped when GitHub does not respond before the code expires, and the flow continues', async () => {
    const { steps, ends } = await run(row('identify', 'install_pending'), {
      identifyInstaller: () => Promise.reject(passing('unavailable')),
    });
    expect(new Set(steps)).toEqual(new Set(['identifyInstaller', 'forgetSignIn', 'endFlow']));
    expect(ends).toEqual([{ status: 'expired', reason: 'not_installed' }]);
  });

  test('ends the flow when GitHub does not know the App', async () => {
    const { ends } = await run(row('identify', 'install_pending'), {
      identifyInstaller: () => Promise.reject(final('client_credentials_rejected')),
    });
    expect(ends).toEqual([{ status: 'failed', reason: 'client_credentials_rejected' }]);
  });
});

describe('a proof', () => {
  test('is waited for one minute and then missing', async () => {
    const asked = clock();
    const firsts: unknown[] = [];
    const { ends } = await run(row('prove', 'install_pending'), {
      proveOwnership: async ({ isFirst }) => {
        asked.tick();
        firsts.push(isFirst);
        return { outcome: 'not_yet' };
      },
    });
    // Only the first check reads GitHub's log.
    expect(firsts).toEqual([true, ...Array(firsts.length - 1).fill(false)]);
    expect(asked.seconds().length).toBeGreaterThan(7);
    expect(asked.seconds().length).toBeLessThan(14);
    expect(asked.seconds().at(-1)).toBeGreaterThanOrEqual(60);
    expect(asked.seconds().at(-1)).toBeLessThan(65);
    expect(ends).toEqual([{ status: 'rejected', reason: 'ownership_not_proven' }]);
  });

  test('is noticed at once when the webhook brings it', async () => {
    let told = false;
    const asked = clock();
    const { steps } = await run(
      row('prove', 'install_pending'),
      {
        proveOwnership: async () => {
          asked.tick();
          return { outcome: told ? 'proven' : 'not_yet' };
        },
      },
      async (handle, sleep) => {
        await sleep(3);
        told = true;
        await handle.signal(changed);
      },
    );
    expect(asked.seconds().at(-1)).toBeLessThanOrEqual(4);
    expect(steps.at(-1)).toBe('bindInstallation');
  });

  test('ends the flow when it is refused', async () => {
    const { ends } = await run(row('prove', 'install_pending'), {
      proveOwnership: async () => ({ outcome: 'refused', reason: 'installation_gone' }),
    });
    expect(ends).toEqual([{ status: 'rejected', reason: 'installation_gone' }]);
  });

  test('can turn out to be for another installation when it is bound', async () => {
    const one = row('prove', 'install_pending');
    let bound = 0;
    const { steps } = await run(one, {
      async bindInstallation() {
        bound += 1;
        if (bound === 2) one.move('over', 'completed');
      },
    });
    expect(steps).toEqual(['proveOwnership', 'bindInstallation', 'proveOwnership', 'bindInstallation']);
  });
});

describe('an owner’s approval', () => {
  const awaiting = () => row('look_for_approval', 'awaiting_approval', 30 * day);

  test('is checked every ten minutes at first, then every hour, for thirty days, in several runs', async () => {
    const asked = clock();
    const { ends, handle } = await run(awaiting(), {
      lookForApproval: async () => {
        asked.tick();
        return { outcome: 'pending' };
      },
    });
    const pauses = pausesOf(asked.seconds());
    // The server's clock continues while it skips time.
    [600, 900, 1_350, 2_025, 3_038, 3_600, 3_600].forEach((pause, at) => {
      expect(Math.abs((pauses[at] ?? 0) - pause)).toBeLessThanOrEqual(2);
    });
    expect(Math.max(...pauses)).toBeLessThanOrEqual(3_605);
    expect(pauses.length).toBeGreaterThan(700);
    expect(ends).toEqual([{ status: 'expired', reason: 'not_approved' }]);
    const { historyLength } = await env.client.workflow.getHandle(handle.workflowId).describe();
    expect(historyLength).toBeLessThan(1_100);
  }, 120_000);

  test('is checked at once when a webhook or a person asks', async () => {
    const one = awaiting();
    const asked = clock();
    let approved = false;
    const { steps } = await run(
      one,
      {
        async lookForApproval() {
          asked.tick();
          if (!approved) return { outcome: 'pending' };
          one.move('wait');
          return { outcome: 'approved' };
        },
      },
      async (handle, sleep) => {
        await sleep(90);
        approved = true;
        await handle.signal(changed);
        await sleep(90);
        // The person confirms in the browser.
        one.move('prove');
        await handle.signal(changed);
      },
    );
    expect(asked.seconds()).toHaveLength(2);
    expect(asked.seconds().at(-1)).toBeLessThan(95);
    expect(steps).toEqual(['lookForApproval', 'lookForApproval', 'proveOwnership', 'bindInstallation']);
  });

  test('is checked at most twice a minute, and every request gets a check', async () => {
    const one = awaiting();
    const asked = clock();
    await run(
      one,
      {
        async lookForApproval() {
          asked.tick();
          return { outcome: 'pending' };
        },
      },
      async (handle, sleep) => {
        for (let press = 0; press < 10; press += 1) {
          await sleep(1);
          await handle.signal(changed);
        }
        await sleep(60);
        expect(asked.seconds()).toHaveLength(2);
        expect(asked.seconds().at(-1)).toBeGreaterThanOrEqual(30);
        expect(asked.seconds().at(-1)).toBeLessThan(35);
        one.move('over', 'canceled');
        await handle.signal(changed);
      },
    );
  });

  test('is checked at once when a webhook reports the installation', async () => {
    const one = awaiting();
    const asked = clock();
    await run(
      one,
      {
        async lookForApproval() {
          asked.tick();
          return { outcome: 'pending' };
        },
      },
      async (handle, sleep) => {
        await sleep(2);
        await handle.signal(installed);
        await sleep(10);
        expect(asked.seconds()).toHaveLength(2);
        one.move('over', 'canceled');
        await handle.signal(changed);
      },
    );
  });

  test('is checked at once when another person has signed in', async () => {
    const one = awaiting();
    const asked = clock();
    await run(
      one,
      {
        async lookForApproval() {
          asked.tick();
          return { outcome: 'pending' };
        },
        async identifyInstaller() {
          one.move('look_for_approval');
          return { outcome: 'identified' };
        },
      },
      async (handle, sleep) => {
        await sleep(2);
        one.move('identify');
        await handle.signal(changed);
        await sleep(10);
        expect(asked.seconds()).toHaveLength(2);
        one.move('over', 'canceled');
        await handle.signal(changed);
      },
    );
  });

  test('counts as denied when the request has been gone for an hour and nothing is installed', async () => {
    const asked = clock();
    const { ends } = await run(awaiting(), {
      lookForApproval: async () => {
        asked.tick();
        return { outcome: asked.seconds().length === 1 ? 'pending' : 'gone' };
      },
    });
    expect(asked.seconds().map((at) => Math.round(at / 60))).toEqual([0, 10, 20, 30, 40, 50, 60, 70]);
    expect(ends).toEqual([{ status: 'rejected', reason: 'request_denied_or_withdrawn' }]);
  });

  test('is still checked after failures, which deny nothing', async () => {
    const one = awaiting();
    let asked = 0;
    const { steps } = await run(one, {
      async lookForApproval() {
        asked += 1;
        if (asked < 5) throw final('app_credentials_rejected');
        one.move('over', 'completed');
        return { outcome: 'changed' };
      },
    });
    expect(steps).toEqual(Array(5).fill('lookForApproval'));
  });
});
