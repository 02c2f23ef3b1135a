import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Activities } from '../../activities/index.ts';
import {
  type Position,
  requested,
  type SyncInstallations,
  syncInstallations,
} from '../../workflows/sync-installations.ts';
import { temporal } from '../support/temporal.ts';
import { startTimeSkipping, type TimeSkipping } from '../support/time-skipping.ts';
import { withWorker } from '../support/workflow-run.ts';

let env: TimeSkipping;

beforeAll(async () => {
  env = await startTimeSkipping();
}, 60_000);

afterAll(() => env?.teardown());

type Steps = Pick<
  Activities,
  | 'beginSync'
  | 'syncInstallationPage'
  | 'confirmInstallations'
  | 'syncRepositoryPage'
  | 'finishRepositories'
  | 'skipInstallation'
  | 'finishSync'
>;

const githubAppId = 'gha_0000000000000000000000000a';

const none = { readable: [], unreadable: 0, next: null };
const place: Position = {
  page: null,
  confirmed: true,
  waiting: [],
  later: [],
  repositories: { page: 1 },
  unreadable: 0,
};

/**
 * Runs a pass over two pages of installations to its end. One installation on the first page is readable, and has two
 * pages of repositories.
 */
async function run(changes: Partial<Steps> = {}, goOn?: SyncInstallations['goOn'], requests = 0) {
  const said: string[] = [];
  const activities: Steps = {
    beginSync: async () => true,
    syncInstallationPage: async ({ page }) => {
      said.push(`installations ${page}`);
      return page === 1 ? { readable: ['ins_a'], unreadable: 0, next: 2 } : none;
    },
    confirmInstallations: async () => ({ readable: [], more: false }),
    syncRepositoryPage: async ({ page }) => {
      said.push(`repositories ${page}`);
      return { next: page === 1 ? 2 : null, cutOff: false };
    },
    finishRepositories: async () => 'done',
    skipInstallation: async ({ installationId, failure }) =>
      void said.push(`skipped ${installationId}: ${failure.code}`),
    finishSync: async ({ failure }) => {
      said.push(failure ? `failed ${failure.code}` : 'done');
      return failure ?? null;
    },
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

test('reads every page and removes what was on none', async () => {
  const { said, steps } = await run();
  expect(said).toEqual(['installations 1', 'repositories 1', 'repositories 2', 'installations 2', 'done']);
  expect(steps).toEqual([
    'beginSync',
    'syncInstallationPage',
    'syncRepositoryPage',
    'syncRepositoryPage',
    'finishRepositories',
    'syncInstallationPage',
    'confirmInstallations',
    'finishSync',
  ]);
});

test('serves a hundred simultaneous requests with one pass', async () => {
  const { said } = await run({}, undefined, 100);
  expect(said.filter((one) => one === 'done')).toHaveLength(1);
});

test('runs another pass after a request during a pass', async () => {
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
        return none;
      },
      confirmInstallations: async () => ({ readable: [], more: false }),
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

test('continues the pass of an earlier run and serves its pending request', async () => {
  const { said, steps } = await run({}, { position: { ...place, page: 2 }, wanted: true });
  expect(said.slice(0, 2)).toEqual(['installations 2', 'done']);
  expect(steps.indexOf('beginSync')).toBeGreaterThan(steps.indexOf('finishSync'));
  expect(said.filter((one) => one === 'done')).toHaveLength(2);
});

test('ends with the reason after a refusal, and removes nothing', async () => {
  const { said, steps } = await run({
    syncInstallationPage: async () => {
      throw ApplicationFailure.create({ type: 'app_credentials_rejected', message: 'No', nonRetryable: true });
    },
  });
  expect(said).toEqual(['failed app_credentials_rejected']);
  expect(steps).not.toContain('finishRepositories');
});

test('removes nothing from an installation that is cut off during the pass', async () => {
  const { said, steps } = await run({ syncRepositoryPage: async () => ({ next: null, cutOff: true }) });
  expect(said).toEqual(['installations 1', 'installations 2', 'done']);
  expect(steps).not.toContain('finishRepositories');
});

test('continues in the middle of an installation without reading earlier ones again', async () => {
  const position: Position = { ...place, page: 2, waiting: ['ins_b', 'ins_c'], repositories: { page: 2 } };
  const read: string[] = [];
  const { said } = await run(
    {
      syncRepositoryPage: async ({ installationId, page }) => {
        read.push(`${installationId} ${page}`);
        return { next: page < 3 ? page + 1 : null, cutOff: false };
      },
    },
    { position, wanted: false },
  );
  expect(read).toEqual(['ins_b 2', 'ins_b 3', 'ins_c 1', 'ins_c 2', 'ins_c 3']);
  expect(said).toEqual(['installations 2', 'done']);
});

test('reads an installation of 120 pages in several runs, each page once, and keeps a request from in between', async () => {
  const read: number[] = [];
  const finished: string[] = [];
  let passes = 0;
  const activities = {
    beginSync: async () => {},
    syncInstallationPage: async () => ({ readable: passes === 0 ? ['ins_a'] : [], unreadable: 2, next: null }),
    confirmInstallations: async () => ({ readable: [], more: false }),
    syncRepositoryPage: async ({ page }: { page: number }) => {
      read.push(page);
      if (page === 10) await signal();
      return { next: page < 120 ? page + 1 : null, cutOff: false };
    },
    finishRepositories: async ({ installationId }: { installationId: string }) => {
      finished.push(installationId);
      return 'done';
    },
    finishSync: async ({ unreadable }: { unreadable?: number }) => {
      passes += 1;
      expect(unreadable).toBe(2);
    },
  };
  let signal = async () => {};
  await withWorker(env, temporal().codePath, activities, async ({ client, taskQueue }) => {
    const workflowId = `sync/${randomUUID()}`;
    signal = () => client.workflow.getHandle(workflowId).signal(requested);
    const handle = await client.workflow.start(syncInstallations, { taskQueue, workflowId, args: [{ githubAppId }] });
    await handle.result();
    const { runId } = await client.workflow.getHandle(workflowId).describe();
    expect(runId).not.toBe(handle.firstExecutionRunId);
  });
  expect(read).toEqual(Array.from({ length: 120 }, (_, at) => at + 1));
  expect(finished).toEqual(['ins_a']);
  expect(passes).toBe(2);
});

const fail = (type: string, nonRetryable: boolean) => ApplicationFailure.create({ type, message: 'No', nonRetryable });

/** Runs a pass over three installations, of which the second one fails with `trouble`. */
async function runWithTrouble(trouble: (attempt: number) => ApplicationFailure | undefined) {
  const attempts = new Map<string, number>();
  const read: string[] = [];
  const { said } = await run({
    syncInstallationPage: async () => ({ readable: ['ins_a', 'ins_b', 'ins_c'], unreadable: 0, next: null }),
    syncRepositoryPage: async ({ installationId }) => {
      const attempt = (attempts.get(installationId) ?? 0) + 1;
      attempts.set(installationId, attempt);
      const failure = installationId === 'ins_b' ? trouble(attempt) : undefined;
      if (failure) throw failure;
      read.push(installationId);
      return { next: null, cutOff: false };
    },
  });
  return { said, read, attempts: attempts.get('ins_b') };
}
test.each(['policy', 'permission_missing', 'not_found', 'validation'])(
  'skips an installation that is refused (%s) at once, and reads the others',
  async (code) => {
    const { said, read, attempts } = await runWithTrouble(() => fail(code, true));
    expect([read, attempts]).toEqual([['ins_a', 'ins_c'], 1]);
    expect(said).toEqual([`skipped ins_b: ${code}`, 'done']);
  },
);

test('reads an installation that fails for some time after the others', async () => {
  const { said, read } = await runWithTrouble((attempt) => (attempt < 9 ? fail('unavailable', false) : undefined));
  expect(read).toEqual(['ins_a', 'ins_c', 'ins_b']);
  expect(said).toEqual(['done']);
});

test('skips an installation that fails for too long', async () => {
  const { said, read } = await runWithTrouble(() => fail('rate_limited', false));
  expect(read).toEqual(['ins_a', 'ins_c']);
  expect(said).toEqual(['skipped ins_b: rate_limited', 'done']);
});

test('does not let other installations wait when GitHub asks for an hour', async () => {
  const hour = ApplicationFailure.create({ type: 'rate_limited', message: 'No', nextRetryDelay: '50 minutes' });
  const { said, read, attempts } = await runWithTrouble((attempt) => (attempt < 3 ? hour : undefined));
  expect([read, attempts]).toEqual([['ins_a', 'ins_c', 'ins_b'], 3]);
  expect(said).toEqual(['done']);
});

test.each(['app_credentials_rejected', 'address_refused'])(
  'ends the pass at a failure of the App itself (%s)',
  async (code) => {
    const { said, read } = await runWithTrouble(() => fail(code, true));
    expect(read).toEqual(['ins_a']);
    expect(said).toEqual([`failed ${code}`]);
  },
);

test.each(['read_whole', 'read_changes'] as const)(
  'reads the pages once more if the end of the first reading requires it (%s), and not twice',
  async (outcome) => {
    const read: string[] = [];
    await run({
      syncInstallationPage: async () => ({ readable: ['ins_a'], unreadable: 0, next: null }),
      syncRepositoryPage: async ({ page, whole }) => {
        read.push(`${page} ${whole}`);
        return { next: page === 1 ? 2 : null, cutOff: false };
      },
      finishRepositories: async ({ again }) => (again ? 'done' : outcome),
    });
    const whole = outcome === 'read_whole';
    expect(read).toEqual(['1 false', '2 false', `1 ${whole}`, `2 ${whole}`]);
  },
);

test('confirms all installations that were on no page, and reads those that exist', async () => {
  const asked = [
    { readable: ['ins_x'], more: true },
    { readable: ['ins_y'], more: false },
  ];
  const read: string[] = [];
  const { said } = await run({
    syncInstallationPage: async () => none,
    confirmInstallations: async () => asked.shift() ?? { readable: [], more: false },
    syncRepositoryPage: async ({ installationId }) => {
      read.push(installationId);
      return { next: null, cutOff: false };
    },
  });
  expect(read).toEqual(['ins_x', 'ins_y']);
  expect(said).toEqual(['done']);
});
