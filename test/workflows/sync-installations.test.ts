import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Activities } from '../../activities/index.ts';
import { requested, type SyncInstallations, syncInstallations } from '../../workflows/sync-installations.ts';
import { startTimeSkipping, temporal } from '../support/temporal.ts';
import { withWorker } from '../support/workflow-run.ts';

let env: TestWorkflowEnvironment;

beforeAll(async () => {
  env = await startTimeSkipping();
}, 60_000);

afterAll(() => env?.teardown());

type Steps = Pick<
  Activities,
  'beginSync' | 'syncInstallationPage' | 'syncRepositoryPage' | 'finishRepositories' | 'finishSync'
>;

const githubAppId = 'gha_0000000000000000000000000a';

/** Runs to its end with two pages of installations, of which the first has one that is readable in two pages. */
async function run(changes: Partial<Steps> = {}, goOn?: SyncInstallations['goOn'], requests = 0) {
  const said: string[] = [];
  const activities: Steps = {
    beginSync: async () => {},
    syncInstallationPage: async ({ page }) => {
      said.push(`installations ${page}`);
      return page === 1 ? { readable: ['ins_a'], next: 2 } : { readable: [], next: null };
    },
    syncRepositoryPage: async ({ page }) => {
      said.push(`repositories ${page}`);
      return { next: page === 1 ? 2 : null, cutOff: false };
    },
    finishRepositories: async () => {},
    finishSync: async ({ failure }) => void said.push(failure ? `failed ${failure.code}` : 'done'),
    ...changes,
  };
  return withWorker(env, temporal().codePath, activities, async ({ client, taskQueue, steps }) => {
    const options = {
      taskQueue,
      workflowId: `sync/${randomUUID()}`,
      args: [{ githubAppId, ...(goOn && { goOn }) }] as [SyncInstallations],
    };
    const handle = await client.workflow.start(syncInstallations, options);
    for (let at = 0; at < requests; at += 1) await handle.signal(requested);
    await handle.result();
    return { said, steps };
  });
}

test('a pass reads every page, and what it has not seen is taken away after the last one', async () => {
  const { said, steps } = await run();
  expect(said).toEqual(['installations 1', 'repositories 1', 'repositories 2', 'installations 2', 'done']);
  expect(steps).toEqual([
    'beginSync',
    'syncInstallationPage',
    'syncRepositoryPage',
    'syncRepositoryPage',
    'finishRepositories',
    'syncInstallationPage',
    'finishSync',
  ]);
});

test('a hundred requests at once are one pass', async () => {
  const { said } = await run({}, undefined, 100);
  expect(said.filter((one) => one === 'done')).toHaveLength(1);
});

test('a request during a pass is another pass', async () => {
  let release = () => {};
  const reading = new Promise<void>((resolve) => {
    release = resolve;
  });
  let passes = 0;
  await withWorker(
    env,
    temporal().codePath,
    {
      beginSync: async () => {},
      syncInstallationPage: async () => {
        if (passes === 0) await reading;
        return { readable: [], next: null };
      },
      finishSync: async () => {
        passes += 1;
      },
    },
    async ({ client, taskQueue, steps }) => {
      const handle = await client.workflow.start(syncInstallations, {
        taskQueue,
        workflowId: `sync/${randomUUID()}`,
        args: [{ githubAppId }],
      });
      await env.sleep('2 seconds');
      await expect.poll(() => steps.includes('syncInstallationPage'), { timeout: 10_000 }).toBe(true);
      await handle.signal(requested);
      release();
      await handle.result();
    },
  );
  expect(passes).toBe(2);
});

test('a pass that an earlier run began is gone on with, and a request from then is not forgotten', async () => {
  const { said, steps } = await run({}, { page: 2, wanted: true });
  expect(said.slice(0, 2)).toEqual(['installations 2', 'done']);
  expect(steps.indexOf('beginSync')).toBeGreaterThan(steps.indexOf('finishSync'));
  expect(said.filter((one) => one === 'done')).toHaveLength(2);
});

test('a refusal ends the pass with its reason, and takes nothing away', async () => {
  const { said, steps } = await run({
    syncInstallationPage: async () => {
      throw ApplicationFailure.create({ type: 'app_credentials_rejected', message: 'No', nonRetryable: true });
    },
  });
  expect(said).toEqual(['failed app_credentials_rejected']);
  expect(steps).not.toContain('finishRepositories');
});

test('an installation that is cut off meanwhile loses nothing', async () => {
  const { said, steps } = await run({ syncRepositoryPage: async () => ({ next: null, cutOff: true }) });
  expect(said).toEqual(['installations 1', 'installations 2', 'done']);
  expect(steps).not.toContain('finishRepositories');
});
