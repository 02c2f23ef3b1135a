import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createActivities } from '../../activities/index.ts';
import { createGitHubConnector } from '../../broker/connect/github-connect.ts';
import { createGitHubBroker } from '../../broker/github/github.ts';
import { recordRunEnd } from '../../db/builds/build-ends.ts';
import { allBuilds, type Build, cancelBuild } from '../../db/builds/builds.ts';
import type { BuildEnd } from '../../domain/builds/run-conclusions.ts';
import { parseAllowedHosts } from '../../domain/connect/allowed-hosts.ts';
import { createLogger } from '../../log.ts';
import { createGuardedFetch } from '../../providers/egress/guarded-fetch.ts';
import type { GitHubStandIn, Repository } from '../../stand-ins/github/stand-in.ts';
import { createRedactInterceptor } from '../../worker/redact-interceptor.ts';
import { canceled, dispatchBuild, reported } from '../../workflows/dispatch-build.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { openOutside } from '../support/fakes/registries.ts';
import { startGitHub } from '../support/github.ts';
import { keyring } from '../support/hooks.ts';
import { addOperatorApp } from '../support/scenes/operator-app.ts';
import { workflowFile } from '../support/scenes/platform.ts';
import { type World, world } from '../support/scenes/world.ts';
import { connectTemporal } from '../support/temporal.ts';

let database: TestDatabase;
let github: GitHubStandIn;
let temporal: Awaited<ReturnType<typeof connectTemporal>>;
let activities: ReturnType<typeof createActivities>;
let repository: Repository;
let newBuild: World['newBuild'];

beforeAll(async () => {
  [database, github, temporal] = await Promise.all([openTestDatabase(), startGitHub(), connectTemporal()]);
  const theirs = github.addApp();
  const installation = github.addInstallation(theirs);
  repository = github.addRepository(installation, { workflows: { '.github/workflows/deploy.yml': workflowFile } });

  const { id: githubAppId } = await addOperatorApp(database, github, { theirs });
  const allowedHosts = parseAllowedHosts(github.url);
  const fetch = createGuardedFetch({ allowedHosts, timeoutMs: 10_000, maxBytes: 1_000_000 });
  const deps = { database, keyring, fetch };
  activities = createActivities({
    database,
    keyring,
    broker: createGitHubBroker(deps),
    connector: createGitHubConnector(deps),
    ...openOutside(database),
    reachable: true,
    webhookUrlFor: (id) => `https://fairlead.example/v1/webhooks/github/${id}`,
  });

  ({ newBuild } = await world(database, { githubAppId, theirs: { installation, repository } }));
}, 60_000);

afterEach(() => github.faults.clear());

afterAll(async () => {
  await temporal?.close();
  await github?.close();
  await database?.drop();
});

/** Runs `work` beside a worker with the product's settings. */
async function withRealWorker<Result>(work: (taskQueue: string) => Promise<Result>): Promise<Result> {
  const taskQueue = `test-${randomUUID()}`;
  const worker = await Worker.create({
    connection: temporal.nativeConnection,
    taskQueue,
    workflowBundle: { codePath: temporal.codePath },
    activities,
    interceptors: { activity: [createRedactInterceptor(createLogger('silent'))] },
  });
  return worker.runUntil(work(taskQueue));
}

/** Stores the end of the run and signals it, as the relay does after a webhook. */
async function report(handle: WorkflowHandle<typeof dispatchBuild>, build: Build, ended: BuildEnd): Promise<void> {
  await database.write((trx) => recordRunEnd(trx, build.id, ended));
  await handle.signal(reported, { runId: runsOf(build)[0]?.id ?? 0, ended });
}

function start(build: Build, taskQueue: string) {
  return temporal.client.workflow.start(dispatchBuild, {
    taskQueue,
    workflowId: `build/${build.id}`,
    args: [{ buildId: build.id, timeoutMinutes: 60 }],
  });
}

const now = ({ id }: Build) => allBuilds(database.reader).find(id);
const until = (build: Build, status: string) =>
  expect.poll(async () => (await now(build))?.status, { timeout: 20_000, interval: 100 }).toBe(status);

function runsOf(build: Build) {
  return [...github.state.runs.values()].filter(({ displayTitle }) => displayTitle.includes(build.id));
}

function statusesOf(build: Build) {
  const context = build.pipeline.statusContext;
  return github.state.statuses.filter((status) => status.context === context).map(({ state }) => state);
}

describe('one build, from its dispatch to its end at GitHub', () => {
  test('starts one run, and reports a status and a deployment', async () => {
    const build = await newBuild({}, { environment: 'production' });
    const history = await withRealWorker(async (taskQueue) => {
      const handle = await start(build, taskQueue);
      await until(build, 'running');
      await report(handle, build, { status: 'succeeded' });
      await handle.result();
      return handle.fetchHistory();
    });

    expect(runsOf(build)).toHaveLength(1);
    expect(statusesOf(build)).toEqual(['pending', 'success']);
    const deployments = [...github.state.deployments.values()].filter(
      ({ environment }) => environment === 'production',
    );
    expect(deployments.map(({ statuses }) => statuses.map(({ state }) => state))).toEqual([['in_progress', 'success']]);
    expect(await now(build)).toMatchObject({ status: 'succeeded', reportedStatus: 'succeeded' });
    expect(history.events?.length).toBeLessThanOrEqual(30);
    const text = JSON.stringify(history, readable);
    expect(text).toContain(build.id);
    expect(text).not.toMatch(/ghs_|PRIVATE KEY/);
    expect(github.violations).toEqual([]);
  });

  test('starts one run when the answer to its dispatch is lost', async () => {
    github.faults.add({ method: 'POST', path: /\/dispatches$/, kind: 'lost_answer', times: 1 });
    const build = await newBuild();
    await withRealWorker(async (taskQueue) => {
      const handle = await start(build, taskQueue);
      await until(build, 'running');
      await database.write((trx) => cancelBuild(trx, build.id, 'canceled_by_request'));
      await handle.signal(canceled);
      await handle.result();
    });
    expect(runsOf(build)).toHaveLength(1);
    expect(github.requests({ method: 'POST', path: /\/dispatches$/ }).filter(isFor(build))).toHaveLength(1);
    expect(await now(build)).toMatchObject({ status: 'canceled', runId: runsOf(build)[0]?.id });
    expect(runsOf(build)[0]).toMatchObject({ status: 'completed', conclusion: 'cancelled' });
    expect(statusesOf(build).at(-1)).toBe('error');
  });

  test('fails, and reports it at GitHub, when the workflow file is missing', async () => {
    const build = await newBuild({}, { workflow_file: 'gone.yml' });
    await withRealWorker(async (taskQueue) => (await start(build, taskQueue)).result());
    expect(await now(build)).toMatchObject({ status: 'failed', reason: 'workflow_file_missing' });
    expect(statusesOf(build)).toEqual(['failure']);
  });

  test('follows the repository to its new name', async () => {
    github.renameRepository(repository, `renamed-${repository.id}`);
    const build = await newBuild();
    await withRealWorker(async (taskQueue) => {
      const handle = await start(build, taskQueue);
      await until(build, 'running');
      await report(handle, build, { status: 'succeeded' });
      await handle.result();
    });
    expect(runsOf(build)).toHaveLength(1);
    expect(statusesOf(build)).toEqual(['pending', 'success']);
  });

  test('waits as long as GitHub asks, and is dispatched then', async () => {
    github.faults.add({ method: 'POST', path: /\/dispatches$/, kind: 'secondary_limit', retryAfter: 1, times: 1 });
    const build = await newBuild();
    await withRealWorker(async (taskQueue) => {
      const handle = await start(build, taskQueue);
      await until(build, 'running');
      await report(handle, build, { status: 'failed', reason: 'run_failed' });
      await handle.result();
    });
    expect(runsOf(build)).toHaveLength(1);
    expect(statusesOf(build)).toEqual(['pending', 'failure']);
  });
});

function isFor(build: Build) {
  return ({ body }: { body: unknown }) => JSON.stringify(body).includes(build.id);
}

/** Payloads are bytes of JSON. */
function readable(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
  const { type, data } = (value ?? {}) as { type?: unknown; data?: unknown };
  return type === 'Buffer' && Array.isArray(data) ? Buffer.from(data).toString('utf8') : value;
}
