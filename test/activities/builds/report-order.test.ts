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

/** Until GitHub was asked for a status once more than so far. */
function whenAsked(): () => Promise<void> {
  const before = scene.github.ledger.length;
  const asked = () => scene.github.ledger.slice(before).some(({ path }) => path.includes('/statuses/'));
  return () => expect.poll(asked, { timeout: 15_000 }).toBe(true);
}

test('of two reports at once the later one waits, so the end comes last', async () => {
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

test('a report that was taken over tells nothing any more', async () => {
  const build = await running();
  scene.github.faults.add({ ...pending, kind: 'slow', delayMs: 1_500, times: 1 });
  const asked = whenAsked();
  const slow = scene.report(build);
  await asked();
  // As when this process had been asleep for longer than its claim.
  const claim = { report_claim: 'of another', report_claim_until: Date.now() + 60_000 };
  await scene.database.write((trx) => trx('builds').where({ id: build.id }).update(claim));
  await expect(slow).rejects.toMatchObject({ type: 'report_taken_over', nonRetryable: false });
  expect(scene.checksOf(build)).toEqual([]);
  expect(await scene.now(build)).toMatchObject({ reportedStatus: null });
});

test('the claim of a process that was killed lapses', async () => {
  const build = await running();
  const claim = { report_claim: 'of the dead', report_claim_until: Date.now() + 500 };
  await scene.database.write((trx) => trx('builds').where({ id: build.id }).update(claim));
  await scene.report(build);
  expect(scene.statusesOf(build)).toEqual(['pending']);
});

test('an end that follows a report without an answer is told at once, and again when that one is surely over', async () => {
  const build = await running();
  scene.github.faults.add({ ...pending, kind: 'lost_answer', times: 1 });
  await expect(scene.report(build)).rejects.toMatchObject({ type: 'network' });
  await scene.put(build, 'succeeded', { finished_at: Date.now() });
  const doubt = await scene.report(build).catch((error) => error);
  expect(doubt).toMatchObject({ type: 'report_in_doubt', nonRetryable: false });
  expect(doubt.nextRetryDelay).toBeGreaterThan(10_000);
  expect(scene.statusesOf(build)).toEqual(['pending', 'success']);
  expect(scene.checksOf(build)).toMatchObject([{ conclusion: 'success' }]);

  // The lost one arrives after all.
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

test('one part that fails does not hold up the others, and is all that is told again', async () => {
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

test('the commit’s status belongs to the latest build of its pipeline', async () => {
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

  // One that is held back has nothing to say in its place.
  const third = await scene.newBuild({ pipeline, status: 'blocked', reason: 'fork_pull_request' });
  await scene.put(second, 'failed');
  await scene.report(second);
  expect(scene.statusesOf(third).at(-1)).toBe('failure');
});

test('a deployment whose making got no answer is made once, and shows where to look', async () => {
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
])('a deployment that GitHub answers with %i is refused, and the build is shown all the same', async (status, body) => {
  const build = await running({}, { environment: 'review' });
  scene.github.faults.add({ method: 'POST', path: /\/deployments$/, kind: 'status', status, body, times: 1 });
  await expect(scene.report(build)).rejects.toMatchObject({ type: 'conflict', nonRetryable: true });
  expect(scene.deploymentsOf(build)).toEqual([]);
  expect(scene.statusesOf(build)).toEqual(['pending']);
  expect(scene.checksOf(build)).toMatchObject([{ status: 'in_progress' }]);
});
