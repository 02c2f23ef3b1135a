import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { githubAppPermissions } from '../../domain/github/github-permissions.ts';
import {
  type AllInOne,
  bind,
  type Scene,
  startAllInOne,
  startOwnTemporal,
  startScene,
} from '../support/programs/product.ts';
import { listBuilds } from '../support/scenes/platform.ts';

let scene: Scene;
let temporal: Awaited<ReturnType<typeof startOwnTemporal>>;
let product: AllInOne;

beforeAll(async () => {
  [scene, temporal] = await Promise.all([
    startScene({}, { permissions: { ...githubAppPermissions } }),
    startOwnTemporal(),
  ]);
  product = await startAllInOne({ ...scene, temporalAddress: temporal.address });
  await bind(scene, product.client, { environment: 'staging' });
}, 120_000);
afterEach(() => scene.github.faults.clear());
afterAll(async () => {
  await product?.remove();
  await temporal?.remove();
  await scene?.github.close();
});

const newest = async () => (await listBuilds(product.client))[0];
const status = async () => (await newest())?.status;
const reports = /\/(statuses|check-runs|deployments)/;

/** Returns what GitHub shows for a commit now, with all steps to it. */
function shown(sha: string) {
  const { checkRuns, statuses, deployments } = scene.github.state;
  return {
    statuses: statuses.filter((one) => one.sha === sha).map(({ state }) => state),
    checks: [...checkRuns.values()].filter((one) => one.headSha === sha),
    deployments: [...deployments.values()]
      .filter((one) => one.sha === sha)
      .map((one) => one.statuses.map(({ state }) => state)),
  };
}

/**
 * Removes repeated posts, which a crash can cause. No other disorder is allowed: no state comes after the final one or
 * after its successor.
 */
function inOrder(told: string[]): string[] {
  return told.filter((state, at) => state !== told[at - 1]);
}

/** Expects one deployment. The final state may have overtaken an earlier state, which is then left out. */
function expectDeployed(sha: string, end: string): void {
  const [told = [], ...others] = shown(sha).deployments;
  expect(others).toEqual([]);
  expect(['in_progress', end].slice(-inOrder(told).length)).toEqual(inOrder(told));
}

async function endRun(conclusion: string): Promise<void> {
  const { github, app, installation } = scene;
  const run = [...github.state.runs.values()].at(-1);
  if (!run) throw new Error('The stand-in has no run');
  const payload = github.progressRun(run, { status: 'completed', conclusion });
  await github.sendWebhook({ app, event: 'workflow_run', payload, installation });
}

test('shows the end of a build once and in order after its worker was killed', async () => {
  const { sha } = await scene.push();
  await expect.poll(() => shown(sha).checks.length, { timeout: 30_000 }).toBe(1);
  await product.kill();
  await product.start();
  await endRun('success');
  await expect.poll(status, { timeout: 30_000 }).toBe('succeeded');
  await expect.poll(() => shown(sha).checks[0]?.conclusion, { timeout: 60_000 }).toBe('success');
  await expect.poll(() => shown(sha).deployments.flat().at(-1), { timeout: 60_000 }).toBe('success');
  expect(inOrder(shown(sha).statuses)).toEqual(['pending', 'success']);
  expect(shown(sha).checks).toHaveLength(1);
  expectDeployed(sha, 'success');
}, 180_000);

test('reports the end once GitHub is back, although the worker was killed during an outage', async () => {
  const { github } = scene;
  const { sha } = await scene.push();
  await expect.poll(() => shown(sha).deployments.length, { timeout: 30_000 }).toBe(1);
  github.faults.add({ method: 'POST', path: reports, kind: 'status', status: 502 });
  github.faults.add({ method: 'PATCH', path: reports, kind: 'lost_answer' });
  const before = github.ledger.length;
  await endRun('failure');
  const tries = () => github.ledger.slice(before).filter(({ method, path }) => method !== 'GET' && reports.test(path));
  await expect.poll(() => tries().length, { timeout: 30_000 }).toBeGreaterThan(2);
  await product.kill();
  await product.start();
  const count = tries().length;
  await expect.poll(() => tries().length, { timeout: 60_000 }).toBeGreaterThan(count);
  await sleep(1_000);
  github.faults.clear();
  await expect.poll(() => shown(sha).statuses.at(-1), { timeout: 90_000 }).toBe('failure');
  await expect.poll(() => shown(sha).deployments.flat().at(-1), { timeout: 30_000 }).toBe('failure');
  await expect.poll(() => shown(sha).checks[0]?.conclusion, { timeout: 30_000 }).toBe('failure');
  expect(inOrder(shown(sha).statuses)).toEqual(['pending', 'failure']);
  expect(shown(sha).checks).toHaveLength(1);
  expectDeployed(sha, 'failure');
}, 240_000);

test('creates no second check run after a lost response and a killed worker', async () => {
  const { github } = scene;
  github.faults.add({ method: 'POST', path: /\/check-runs$/, kind: 'lost_answer', times: 1 });
  const { sha } = await scene.push();
  await expect.poll(() => shown(sha).checks.length, { timeout: 30_000, interval: 10 }).toBe(1);
  await product.kill();
  await product.start();
  await endRun('success');
  await expect.poll(() => shown(sha).checks[0]?.conclusion, { timeout: 90_000 }).toBe('success');
  expect(shown(sha).checks).toHaveLength(1);
  expect(shown(sha).checks[0]?.externalId).toBe((await newest())?.id);
}, 180_000);

test('makes one more build of the commit after "Re-run", with its own check run', async () => {
  const { github, app, installation } = scene;
  const [check] = [...github.state.checkRuns.values()].slice(-1);
  if (!check) throw new Error('no check run');
  const before = await listBuilds(product.client);
  const guid = crypto.randomUUID();
  const press = { app, event: 'check_run', payload: github.rerunCheck(check), installation, guid };
  expect((await github.sendWebhook(press)).status).toBe(202);
  expect((await github.redeliver(guid)).status).toBeLessThan(300);
  await expect.poll(() => shown(check.headSha).checks.length, { timeout: 30_000 }).toBe(2);
  await endRun('success');
  await expect.poll(() => shown(check.headSha).checks[1]?.conclusion, { timeout: 30_000 }).toBe('success');
  const after = await listBuilds(product.client);
  expect(after).toHaveLength(before.length + 1);
  expect(after[0]).toMatchObject({ rerun_of: check.externalId, status: 'succeeded', sha: check.headSha });
  // Every report uses only the App's own credentials.
  const told = github.requests({ path: reports });
  expect(new Set(told.map(({ authorization }) => authorization?.slice(0, 10)))).toEqual(new Set(['token ghs_']));
}, 120_000);
