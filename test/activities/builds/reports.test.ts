import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { recordRunEnd } from '../../../db/builds/build-ends.ts';
import { allBuildEvents } from '../../../db/builds/build-events.ts';
import { allBuilds } from '../../../db/builds/builds.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { activitiesAgainst, insertBuild, stateOf } from '../../support/scenes/some-build.ts';
import { sha } from '../../support/scenes/world.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});

afterAll(() => database.drop());

const started = { status: 200, body: { workflow_run_id: 77, html_url: 'https://github.com/acme/shop/77' } };
const created = { status: 201, body: {} };

test('reports each final status to GitHub once', async () => {
  const build = await insertBuild(database);
  const { run, seen } = await activitiesAgainst(database, [started, created]);
  await run('sendDispatch', { buildId: build.id, tries: 0 });
  await run('reportBuild', { buildId: build.id });
  await database.write((trx) => recordRunEnd(trx, build.id, { status: 'failed', reason: 'run_failed' }));
  await run('endBuild', { buildId: build.id, end: { status: 'failed', reason: 'run_failed' } });
  await run('reportBuild', { buildId: build.id });
  await run('reportBuild', { buildId: build.id });

  expect(seen.slice(1)).toMatchObject([
    { path: `/repos/acme/shop/statuses/${sha}`, body: { state: 'pending', description: 'Running' } },
    { path: `/repos/acme/shop/statuses/${sha}`, body: { state: 'failure', description: 'Failed: The run failed.' } },
  ]);
  expect((await stateOf(database, build)).build.reportedStatus).toBe('failed');
});

test('replaces the characters of a description that GitHub rejects', async () => {
  const build = await insertBuild(database);
  const refused = { status: 422, body: { message: 'No ref found for: 🚀' } };
  const { run, seen } = await activitiesAgainst(database, [refused, created]);
  await run('sendDispatch', { buildId: build.id, tries: 0 });
  await run('reportBuild', { buildId: build.id });
  expect(seen.at(-1)?.body).toMatchObject({
    state: 'failure',
    description: expect.stringMatching(/No ref found for: \uFFFD\)$/),
  });
});

test('reports the state without its description if GitHub rejects the description', async () => {
  const build = await insertBuild(database);
  const invalid = { status: 422, body: { message: 'Validation Failed' } };
  const { run, seen } = await activitiesAgainst(database, [invalid, created]);
  await run('reportBuild', { buildId: build.id });
  expect(seen.map(({ body }) => body)).toEqual([
    { state: 'pending', context: 'fairlead/shop/deploy', description: 'Waiting to be started' },
    { state: 'pending', context: 'fairlead/shop/deploy' },
  ]);
  expect((await stateOf(database, build)).build.reportedStatus).toBe('queued');
});

test('gives up a report that GitHub rejects twice', async () => {
  const build = await insertBuild(database);
  const invalid = { status: 422, body: { message: 'Validation Failed' } };
  const { run, seen } = await activitiesAgainst(database, [invalid, invalid]);
  await expect(run('reportBuild', { buildId: build.id })).rejects.toMatchObject({ nonRetryable: true });
  expect(seen).toHaveLength(2);
});

test('a late report does not replace the final status', async () => {
  const build = await insertBuild(database);
  const { run, seen } = await activitiesAgainst(database, [started, { status: 500 }, { hang: true }, created], {
    timeoutMs: 1_000,
  });
  await run('sendDispatch', { buildId: build.id, tries: 0 });
  const late = run('reportBuild', { buildId: build.id }).catch(() => {});
  await expect.poll(() => seen.length).toBe(3);
  await database.write((trx) => recordRunEnd(trx, build.id, { status: 'succeeded' }));
  await run('endBuild', { buildId: build.id, end: { status: 'succeeded' } });
  // The first report got no response and may still arrive. The final status is sent now, and again when it can no
  // longer arrive.
  await expect(run('reportBuild', { buildId: build.id })).rejects.toMatchObject({
    type: 'report_in_doubt',
    nonRetryable: false,
    nextRetryDelay: expect.any(Number),
  });
  await late;
  expect(seen.at(-1)?.body).toMatchObject({ state: 'success' });
});

test('a build for an environment creates one deployment and updates it', async () => {
  const build = await insertBuild(database, { on: { environment: 'production' } });
  const { run, seen } = await activitiesAgainst(database, [
    started,
    created,
    { body: [] },
    { status: 201, body: { id: 5 } },
    { status: 201, body: { id: 6 } },
    created,
    { status: 201, body: { id: 7 } },
  ]);
  await run('sendDispatch', { buildId: build.id, tries: 0 });
  await database.write((trx) => recordRunEnd(trx, build.id, { status: 'succeeded' }));
  await run('endBuild', { buildId: build.id, end: { status: 'succeeded' } });
  await run('reportBuild', { buildId: build.id });

  expect(seen.slice(2)).toMatchObject([
    { method: 'GET', path: expect.stringContaining('/deployments?') },
    {
      path: '/repos/acme/shop/deployments',
      body: { ref: sha, environment: 'production', payload: { fairlead_build: build.id }, auto_merge: false },
    },
    { path: '/repos/acme/shop/deployments/5/statuses', body: { state: 'in_progress' } },
    { path: `/repos/acme/shop/statuses/${sha}`, body: { state: 'success' } },
    { path: '/repos/acme/shop/deployments/5/statuses', body: { state: 'success' } },
  ]);
});

test('a deployment that was created but not stored is found again', async () => {
  const build = await insertBuild(database, { on: { environment: 'production' } });
  const theirs = { id: 4, sha, environment: 'production', payload: {}, created_at: '2026-11-01T00:00:00Z' };
  const ours = { ...theirs, id: 5, payload: { fairlead_build: build.id } };
  const { run, seen } = await activitiesAgainst(database, [
    started,
    created,
    { body: [theirs, ours] },
    { status: 201, body: { id: 6 } },
  ]);
  await run('sendDispatch', { buildId: build.id, tries: 0 });
  expect(seen.at(-1)?.path).toBe('/repos/acme/shop/deployments/5/statuses');
  expect((await stateOf(database, build)).build.deploymentId).toBe(5);
});

test('a build that never started deploys nothing, and fails its commit', async () => {
  const build = await insertBuild(database, { on: { environment: 'production' } });
  const { run, seen } = await activitiesAgainst(database, [{ status: 404, body: { message: 'Not Found' } }, created]);
  await run('sendDispatch', { buildId: build.id, tries: 0 });
  await run('reportBuild', { buildId: build.id });
  expect(seen).toHaveLength(2);
  expect(seen[1]?.body).toMatchObject({ state: 'failure', description: expect.stringContaining('workflow file') });
});

test('a rejected report is stored, and not retried', async () => {
  const build = await insertBuild(database);
  await database.write((trx) => allBuilds(trx).moveStatus(build.id, 'failed', { reason: 'ref_missing' }));
  const { run } = await activitiesAgainst(database, [
    { status: 403, body: { message: 'Resource not accessible by integration' } },
  ]);
  const failure = await run('reportBuild', { buildId: build.id }).catch((error) => error);
  expect(failure).toBeInstanceOf(ApplicationFailure);
  expect(failure).toMatchObject({ type: 'permission_missing', nonRetryable: true, cause: undefined });
  const { items } = await allBuildEvents(database.reader).list(build.id, { limit: 10 });
  expect(items[0]).toMatchObject({ type: 'report_refused', detail: { code: 'permission_missing' } });
});

test('a blocked build is not reported', async () => {
  const build = await insertBuild(database, { status: 'blocked', reason: 'fork' });
  const { run, seen } = await activitiesAgainst(database, [created]);
  await run('reportBuild', { buildId: build.id });
  expect(seen).toEqual([]);
});
