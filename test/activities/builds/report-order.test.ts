import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Build } from '../../../db/builds/builds.ts';
import { startReportScene } from '../../support/scenes/report-scene.ts';

let scene: Awaited<ReturnType<typeof startReportScene>>;

beforeAll(async () => {
  scene = await startReportScene();
});
afterEach(() => scene.github.faults.clear());
afterAll(() => scene?.close());

const pending = { method: 'POST', path: /\/statuses\// };

async function running(...given: Parameters<typeof scene.newBuild>): Promise<Build> {
  const build = await scene.newBuild(...given);
  await scene.put(build, 'running', { run_id: 7, started_at: Date.now() });
  return build;
}

/** Returns a function that waits until GitHub gets another request for a status. */
function whenAsked(): () => Promise<void> {
  const before = scene.github.ledger.length;
  const asked = () => scene.github.ledger.slice(before).some(({ path }) => path.includes('/statuses/'));
  return () => expect.poll(asked, { timeout: 15_000 }).toBe(true);
}

test('the later of two concurrent reports waits, so the final status arrives last', async () => {
  const build = await running();
  scene.github.faults.add({ ...pending, kind: 'slow', delayMs: 1_000, times: 1 });
  const asked = whenAsked();
  const early = scene.report(build);
  await asked();
  await scene.put(build, 'failed', { finished_at: Date.now() });
  await Promise.all([early, scene.report(build), scene.report(build)]);
  expect(scene.statusesOf(build)).toEqual(['pending', 'failure']);
  expect(scene.checkRequests(build)).toEqual(['in_progress', 'failure']);
});

test('a report that another process took over reports nothing more', async () => {
  const build = await running();
  scene.github.faults.add({ ...pending, kind: 'slow', delayMs: 1_500, times: 1 });
  const asked = whenAsked();
  const slow = scene.report(build);
  await asked();
  // This happens when the process was suspended for longer than its claim.
  const claim = { report_claim: 'of another', report_claim_until: Date.now() + 60_000 };
  await scene.database.write((trx) => trx('builds').where({ id: build.id }).update(claim));
  await expect(slow).rejects.toMatchObject({ type: 'report_taken_over', nonRetryable: false });
  expect(scene.checksOf(build)).toEqual([]);
  expect(await scene.now(build)).toMatchObject({ reportedStatus: null });
});

test('the claim of a killed process expires', async () => {
  const build = await running();
  const claim = { report_claim: 'of the dead', report_claim_until: Date.now() + 500 };
  await scene.database.write((trx) => trx('builds').where({ id: build.id }).update(claim));
  await scene.report(build);
  expect(scene.statusesOf(build)).toEqual(['pending']);
});

test('a final status after an unanswered report is sent immediately, and again when the first one can no longer arrive', async () => {
  const build = await running();
  scene.github.faults.add({ ...pending, kind: 'lost_answer', times: 1 });
  await expect(scene.report(build)).rejects.toMatchObject({ type: 'network' });
  await scene.put(build, 'succeeded', { finished_at: Date.now() });
  const doubt = await scene.report(build).catch((error) => error);
  expect(doubt).toMatchObject({ type: 'report_in_doubt', nonRetryable: false });
  expect(doubt.nextRetryDelay).toBeGreaterThan(10_000);
  expect(scene.statusesOf(build)).toEqual(['pending', 'success']);
  expect(scene.checksOf(build)).toMatchObject([{ conclusion: 'success' }]);

  // The unanswered report arrives late.
  const { github, repository, sha } = scene;
  const late = github.state.statuses.find(({ context }) => context === build.pipeline.statusContext);
  if (late) github.state.statuses.push({ ...late, id: github.state.nextId() });
  expect([repository.id, sha]).toEqual([late?.repositoryId, late?.sha]);
  await scene.database.write((trx) => trx('builds').where({ id: build.id }).update({ report_doubt_until: Date.now() }));
  await scene.report(build);
  expect(scene.statusesOf(build)).toEqual(['pending', 'success', 'pending', 'success']);
  const requests = github.ledger.length;
  await scene.report(build);
  expect(github.ledger).toHaveLength(requests);
});

test('a part that fails does not delay the others, and only this part is retried', async () => {
  const build = await running({}, { environment: 'staging' });
  scene.github.faults.add({ method: 'POST', path: /\/deployments$/, kind: 'status', status: 502, times: 1 });
  await expect(scene.report(build)).rejects.toMatchObject({ type: 'unavailable' });
  expect(scene.statusesOf(build)).toEqual(['pending']);
  expect(scene.checkRequests(build)).toEqual(['in_progress']);
  await scene.report(build);
  expect(scene.statusesOf(build)).toEqual(['pending']);
  expect(scene.checkRequests(build)).toEqual(['in_progress']);
  expect(scene.deploymentsOf(build).map(({ statuses }) => statuses.map(({ state }) => state))).toEqual([
    ['in_progress'],
  ]);
});

test('the commit status follows the latest build of its pipeline', async () => {
  const first = await running();
  await scene.report(first);
  const { pipeline } = first;
  const second = await scene.newBuild({ pipeline, rerunOf: first.id });
  await scene.put(second, 'running');
  await scene.report(second);
  await scene.put(first, 'failed', { finished_at: Date.now() });
  await scene.report(first);
  expect(scene.statusesOf(first)).toEqual(['pending', 'pending']);
  expect(scene.checksOf(first)).toMatchObject([{ conclusion: 'failure' }]);
  await scene.put(second, 'succeeded');
  await scene.report(second);
  expect(scene.statusesOf(first)).toEqual(['pending', 'pending', 'success']);

  // A blocked build does not replace its status.
  const third = await scene.newBuild({ pipeline, status: 'blocked', reason: 'fork_pull_request' });
  await scene.put(second, 'failed');
  await scene.report(second);
  expect(scene.statusesOf(third).at(-1)).toBe('failure');
});

test('a deployment whose creation got no response is created once, and has the environment URL', async () => {
  const build = await running({}, { environment: 'review', environment_url: 'https://review.example/shop' });
  scene.github.faults.add({ method: 'POST', path: /\/deployments$/, kind: 'lost_answer', times: 1 });
  await expect(scene.report(build)).rejects.toMatchObject({ type: 'network' });
  await scene.report(build);
  await scene.put(build, 'succeeded', { report_doubt_until: null });
  await scene.report(build);
  const [deployment, ...others] = scene.deploymentsOf(build);
  expect(others).toEqual([]);
  expect(deployment?.statuses.map(({ state }) => state)).toEqual(['in_progress', 'success']);
  expect(deployment?.statuses.at(-1)?.environmentUrl).toBe('https://review.example/shop');

  const next = await running({}, { environment: 'review' });
  await scene.put(next, 'succeeded');
  await scene.report(next);
  expect(deployment?.statuses.at(-1)?.state).toBe('inactive');
});

test.each([
  [202, { message: 'Auto-merged main into topic on deployment.' }],
  [409, { message: 'Conflict merging main into topic.' }],
])('a deployment that GitHub rejects with %i does not prevent the other reports', async (status, body) => {
  const build = await running({}, { environment: 'review' });
  scene.github.faults.add({ method: 'POST', path: /\/deployments$/, kind: 'status', status, body, times: 1 });
  await expect(scene.report(build)).rejects.toMatchObject({ type: 'conflict', nonRetryable: true });
  expect(scene.deploymentsOf(build)).toEqual([]);
  expect(scene.statusesOf(build)).toEqual(['pending']);
  expect(scene.checksOf(build)).toMatchObject([{ status: 'in_progress' }]);
});
