import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import type { FlowStatus, FlowStep } from '../domain/connect/flow-status.ts';
import { withWorker } from '../test/support/workflow-run.ts';
import { workflowBundle } from '../worker/bundle.ts';
import { checkRegistries } from '../workflows/check-registries.ts';
import { changed, connectGithub } from '../workflows/connect-github.ts';
import { canceled, dispatchBuild, reported } from '../workflows/dispatch-build.ts';
import { recoverAllDeliveries, recoverDeliveries, recoveryRequested } from '../workflows/recover-deliveries.ts';
import { rotateSigningKeys } from '../workflows/rotate-signing-keys.ts';
import { requested, syncInstallations } from '../workflows/sync-installations.ts';
import { cloudChecks, tellCloudCheck } from './histories/cloud-checks.ts';
import { consentEnds, tellConsentEnd } from './histories/consent-ends.ts';
import { deletions, tellDeletion } from './histories/deletions.ts';
import { reconciliations, tellReconciliation } from './histories/reconciliations.ts';
import { nothingRead, recoveries, recovering } from './histories/recoveries.ts';
import { refreshes, tellRefresh } from './histories/refreshes.ts';
import { tellAgain } from './histories/reports.ts';
import { revocations, tellRevocation } from './histories/revocations.ts';
import { rotations, tellRotation } from './histories/rotations.ts';
import { tellVerification, verifications } from './histories/verifications.ts';

/**
 * Records the missing histories that test/workflows/replay.test.ts replays: `npx tsx scripts/record-histories.ts`. Use
 * it only for a new workflow or a new story. If the replay of an old history fails, the change needs `patched()` and
 * not a new recording. Builds that are running during an upgrade have histories like the old ones.
 */
const folder = path.join(import.meta.dirname, '../test/fixtures/histories');
const buildId = 'bld_0000000000000000000000000a';
const githubAppId = 'gha_0000000000000000000000000a';

type Tell = (handle: WorkflowHandle<typeof dispatchBuild>, sleep: (seconds: number) => Promise<void>) => Promise<void>;

const usual = {
  sendDispatch: async () => ({ outcome: 'running' }),
  settleDispatch: async () => ({ outcome: 'unknown' }),
  lookForRun: async () => ({ state: 'absent' }),
  cancelRun: async () => ({ state: 'running' }),
  markUncertain: async () => true,
  endBuild: async () => {},
  reportBuild: async () => {},
};

const end = { runId: 7, ended: { status: 'succeeded' as const } };
const stories: Record<string, { activities?: object; tell: Tell }> = {
  'dispatch-build-succeeded': {
    async tell(handle, sleep) {
      await sleep(10);
      await handle.signal(reported, end);
    },
  },
  'dispatch-build-uncertain-then-found': {
    activities: { sendDispatch: async () => ({ outcome: 'unknown' }) },
    async tell(handle, sleep) {
      await sleep(150);
      await handle.signal(reported, { runId: 7 });
      await sleep(10);
      await handle.signal(reported, end);
    },
  },
  // Like the previous story, but the build is reported to GitHub in between.
  'dispatch-build-told-while-searching': {
    activities: { sendDispatch: async () => ({ outcome: 'unknown' }) },
    async tell(handle, sleep) {
      await sleep(20);
      await handle.signal(reported, { runId: 7 });
      await sleep(10);
      await handle.signal(reported, end);
    },
  },
  'dispatch-build-canceled': {
    async tell(handle, sleep) {
      await sleep(10);
      await handle.signal(canceled);
    },
  },
};

/** Two pages of installations, the first with two pages of repositories. A request in between causes another pass. */
const reading = {
  beginSync: async () => {},
  syncInstallationPage: async ({ page }: { page: number }) =>
    page === 1
      ? { readable: ['ins_0000000000000000000000000a'], unreadable: 0, next: 2 }
      : { readable: [], unreadable: 0, next: null },
  confirmInstallations: async () => ({ readable: [], more: false }),
  syncRepositoryPage: async ({ page }: { installationId: string; page: number }) => ({
    next: page === 1 ? 2 : null,
    cutOff: false,
  }),
  finishRepositories: async () => 'done',
  skipInstallation: async () => {},
  finishSync: async () => {},
};
const syncs: Record<string, { activities?: object; requests: number }> = {
  'sync-installations-done': { requests: 1 },
  // One installation is refused, one fails at first and is read last, and the pages of one are read again.
  'sync-installations-troubled': {
    requests: 1,
    activities: {
      syncInstallationPage: async () => ({
        readable: ['a', 'b', 'c'].map(someInstallation),
        unreadable: 1,
        next: null,
      }),
      syncRepositoryPage: troubledPage(),
      finishRepositories: async ({ again }: { again: boolean }) => (again ? 'done' : 'read_whole'),
    },
  },
  // Several runs read these pages, and this is the first one.
  'sync-installations-long': {
    requests: 1,
    activities: {
      syncRepositoryPage: async ({ page }: { page: number }) => ({ next: page < 60 ? page + 1 : null, cutOff: false }),
    },
  },
  'sync-installations-rejected': {
    requests: 0,
    activities: {
      syncInstallationPage: async () => {
        throw ApplicationFailure.create({
          type: 'app_credentials_rejected',
          message: 'GitHub does not accept the key',
          nonRetryable: true,
        });
      },
    },
  },
};

function someInstallation(last: string): string {
  return `ins_0000000000000000000000000${last}`;
}

function troubledPage() {
  let attempts = 0;
  return async ({ installationId }: { installationId: string }) => {
    if (installationId === someInstallation('a'))
      throw ApplicationFailure.create({ type: 'policy', message: 'GitHub does not allow it', nonRetryable: true });
    if (installationId === someInstallation('b') && attempts < 6) {
      attempts += 1;
      throw ApplicationFailure.create({ type: 'unavailable', message: 'GitHub failed' });
    }
    return { next: null, cutOff: false };
  };
}

/** The states of the flow's row, in order. A signal or the previous step announces each one. */
type Row = [step: FlowStep, status: FlowStatus, signaled?: true];
const flowId = 'flow_0000000000000000000000000a';
const connecting = {
  endFlow: async () => {},
  convertManifest: async () => {},
  identifyInstaller: async () => ({ outcome: 'identified' }),
  proveOwnership: async () => ({ outcome: 'proven' }),
  bindInstallation: async () => {},
  lookForApproval: async () => ({ outcome: 'pending' }),
};
const flows: Record<string, { activities?: object; rows: Row[]; apart?: '1 minute' }> = {
  'connect-github-completed': {
    rows: [
      ['wait', 'page_served'],
      ['convert', 'code_received', true],
      ['wait', 'app_created'],
      ['identify', 'install_pending', true],
      ['prove', 'install_pending'],
      ['over', 'completed'],
    ],
  },
  'connect-github-rejected': {
    activities: { proveOwnership: async () => ({ outcome: 'refused', reason: 'ownership_not_proven' }) },
    rows: [
      ['wait', 'install_pending'],
      ['identify', 'install_pending', true],
      ['prove', 'install_pending'],
      ['over', 'rejected'],
    ],
  },
  'connect-github-witnessed': {
    activities: { proveOwnership: [{ outcome: 'not_yet' }, { outcome: 'proven' }] },
    rows: [
      ['prove', 'install_pending'],
      ['prove', 'install_pending', true],
      ['over', 'completed'],
    ],
  },
  'connect-github-approved': {
    activities: { lookForApproval: [{ outcome: 'pending' }, { outcome: 'approved' }] },
    // A request that comes too soon causes no check.
    apart: '1 minute',
    rows: [
      ['look_for_approval', 'awaiting_approval'],
      ['look_for_approval', 'awaiting_approval', true],
      ['wait', 'awaiting_approval'],
      ['prove', 'awaiting_approval', true],
      ['over', 'completed'],
    ],
  },
};

const found = JSON.parse(readFileSync(path.join(import.meta.dirname, '../.temporal/found.json'), 'utf8'));
const env = await TestWorkflowEnvironment.createTimeSkipping({
  server: { executable: { type: 'existing-path', path: found.testServer } },
});
const { codePath } = await workflowBundle();
const isNew = ([name]: [string, unknown]) => !existsSync(path.join(folder, `${name}.json`));
for (const [name, { activities, tell }] of Object.entries(stories).filter(isNew)) {
  await withWorker(env, codePath, { ...usual, ...activities }, async ({ client, taskQueue }) => {
    const handle = await client.workflow.start(dispatchBuild, {
      taskQueue,
      workflowId: `build/${randomUUID()}`,
      args: [{ buildId, timeoutMinutes: 60 }],
    });
    await tell(handle, (seconds) => env.sleep(seconds * 1000));
    await handle.result();
    await save(name, handle);
  });
}
for (const [name, { activities, requests }] of Object.entries(syncs).filter(isNew)) {
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const told: typeof reading = {
    ...reading,
    ...activities,
  };
  const { syncRepositoryPage } = told;
  const held = {
    ...told,
    syncRepositoryPage: async (input: { installationId: string; page: number }) => {
      await gate;
      return syncRepositoryPage(input);
    },
  };
  await withWorker(env, codePath, held, async ({ client, taskQueue, steps }) => {
    const handle = await client.workflow.start(syncInstallations, {
      taskQueue,
      workflowId: `sync/${randomUUID()}`,
      args: [{ githubAppId }],
    });
    await env.sleep('2 seconds');
    while (requests > 0 && !steps.includes('syncRepositoryPage')) await new Promise((done) => setTimeout(done, 50));
    for (let at = 0; at < requests; at += 1) await handle.signal(requested);
    release();
    await handle.result();
    await save(name, client.workflow.getHandle(handle.workflowId, handle.firstExecutionRunId));
  });
}
for (const [name, { activities, rows, apart = '1 second' }] of Object.entries(flows).filter(isNew)) {
  let at = 0;
  const told = Object.entries({ ...connecting, ...activities }).map(([step, activity]) => {
    const answers = Array.isArray(activity) ? [...activity] : undefined;
    return [step, answers ? async () => answers.shift() : activity];
  });
  const readFlow = async () => {
    const [step, status] = rows[at] ?? ['over', 'failed'];
    // The next read shows the result of a step. A person's action comes with its signal.
    if (rows[at + 1] && !rows[at + 1]?.[2]) at += 1;
    return { step, status, expiresInMs: 86_400_000 };
  };
  await withWorker(env, codePath, { ...Object.fromEntries(told), readFlow }, async ({ client, taskQueue }) => {
    const handle = await client.workflow.start(connectGithub, {
      taskQueue,
      workflowId: `connect-github/${randomUUID()}`,
      args: [{ flowId }],
    });
    for (const _ of rows.filter(([, , signaled]) => signaled)) {
      await env.sleep(apart);
      at += 1;
      await handle.signal(changed);
    }
    await handle.result();
    await save(name, handle);
  });
}
for (const [name, { activities, requests }] of Object.entries(recoveries).filter(isNew)) {
  const told = Object.entries({ ...recovering, ...activities }).map(([step, activity]) => {
    const answers = Array.isArray(activity) ? [...activity] : undefined;
    return [step, answers ? async () => answers.shift() ?? nothingRead : activity];
  });
  await withWorker(env, codePath, Object.fromEntries(told), async ({ client, taskQueue }) => {
    const workflowId = `recover/${randomUUID()}`;
    const options = { taskQueue, workflowId, args: [{ githubAppId }] as [{ githubAppId: string }] };
    const handle = requests
      ? await client.workflow.signalWithStart(recoverDeliveries, { ...options, signal: recoveryRequested })
      : await client.workflow.start(recoverDeliveries, options);
    await handle.result();
    await save(name, handle);
  });
}
if (isNew(['report-build-told-again', undefined])) {
  await tellAgain(env, codePath, buildId, (handle) => save('report-build-told-again', handle));
}
for (const [name, steps] of Object.entries(deletions).filter(isNew)) {
  await tellDeletion(env, codePath, steps, (handle) => save(name, handle));
}
for (const [name, activities] of Object.entries(refreshes).filter(isNew)) {
  await tellRefresh(env, codePath, activities, (handle) => save(name, handle));
}
for (const [name, activities] of Object.entries(reconciliations).filter(isNew)) {
  await tellReconciliation(env, codePath, activities, (handle) => save(name, handle));
}
for (const [name, story] of Object.entries(cloudChecks).filter(isNew)) {
  await tellCloudCheck(env, codePath, story, (handle) => save(name, handle));
}
for (const [name, revoke] of Object.entries(consentEnds).filter(isNew)) {
  await tellConsentEnd(env, codePath, revoke, (handle) => save(name, handle));
}
for (const [name, story] of Object.entries(verifications).filter(isNew)) {
  await tellVerification(env, codePath, story, (handle) => save(name, handle));
}
for (const [name, activities] of Object.entries(revocations).filter(isNew)) {
  await tellRevocation(env, codePath, activities, (handle) => save(name, handle));
}
for (const [name, story] of Object.entries(rotations).filter(isNew)) {
  await tellRotation(env, codePath, story, (handle) => save(name, handle));
}
if (isNew(['rotate-signing-keys', undefined])) {
  await withWorker(env, codePath, { rotateSigningKeys: async () => {} }, async ({ client, taskQueue }) => {
    const handle = await client.workflow.start(rotateSigningKeys, { taskQueue, workflowId: 'rotate-signing-keys' });
    await handle.result();
    await save('rotate-signing-keys', handle);
  });
}
if (isNew(['check-registries', undefined])) {
  const claims = [{ claimed: 200, more: true }];
  const steps = {
    watchRegistries: async () => {},
    claimDueChecks: async () => claims.shift() ?? { claimed: 3, more: false },
  };
  await withWorker(env, codePath, steps, async ({ client, taskQueue }) => {
    const handle = await client.workflow.start(checkRegistries, { taskQueue, workflowId: 'check-registries' });
    await handle.result();
    await save('check-registries', handle);
  });
}
if (isNew(['recover-all-deliveries', undefined])) {
  await withWorker(env, codePath, { requestRecoveries: async () => {} }, async ({ client, taskQueue }) => {
    const handle = await client.workflow.start(recoverAllDeliveries, { taskQueue, workflowId: 'recover/all' });
    await handle.result();
    await save('recover-all-deliveries', handle);
  });
}
await env.teardown();

async function save(name: string, handle: WorkflowHandle): Promise<void> {
  const history = plain(await handle.fetchHistory());
  writeFileSync(path.join(folder, `${name}.json`), `${JSON.stringify(history, null, 1)}\n`);
}

/**
 * Returns the history as JSON that the worker's encoder accepts: enums and 64-bit integers are numbers, and bytes are
 * base64. The SDK's own conversion fails if npm installs several copies of protobufjs.
 */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  if ('low' in value && 'high' in value) return Number(value);
  // The source of a failure names folders of the machine that recorded it.
  const kept = Object.entries(value).filter(([key]) => key !== 'stackTrace');
  return Object.fromEntries(kept.map(([key, inner]) => [key, plain(inner)]));
}
