import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { recordRunEnd } from '../../../db/builds/build-ends.ts';
import { allBuildEvents } from '../../../db/builds/build-events.ts';
import { allBuilds, type Build, cancelBuild } from '../../../db/builds/builds.ts';
import { allIncidents } from '../../../db/ops/incidents.ts';
import { newId } from '../../../domain/ids.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { activitiesAgainst, insertBuild, stateOf } from '../../support/scenes/some-build.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});

afterAll(() => database.drop());

function runBody(title: string, more: object = {}) {
  return {
    id: 77,
    run_attempt: 1,
    display_title: title,
    status: 'in_progress',
    conclusion: null,
    head_sha: 'a'.repeat(40),
    head_branch: 'main',
    html_url: 'https://github.com/acme/shop/actions/runs/77',
    created_at: new Date().toISOString(),
    ...more,
  };
}

const page = (...runs: object[]) => ({ status: 200, body: { total_count: runs.length, workflow_runs: runs } });

/** Creates a build whose dispatch got no response. */
async function unknownBuild(): Promise<Build> {
  const build = await insertBuild(database);
  const { run } = await activitiesAgainst(database, [{ status: 502 }]);
  await run('sendDispatch', { buildId: build.id, tries: 0 });
  return build;
}

async function runningBuild(): Promise<Build> {
  const build = await insertBuild(database);
  const { run } = await activitiesAgainst(database, [{ status: 200, body: { workflow_run_id: 77 } }, { status: 500 }]);
  await run('sendDispatch', { buildId: build.id, tries: 0 });
  return build;
}

async function openIncidents(build: Build): Promise<string[]> {
  const { items } = await allIncidents(database.reader).list({ limit: 100 }, { status: 'open' });
  return items.filter(({ subjectId }) => subjectId === build.id).map(({ code }) => code);
}

describe('the search for a run', () => {
  test('finds the run with the build in its name, on any page', async () => {
    const build = await unknownBuild();
    const next = { link: '<https://api.github.com/x?page=2>; rel="next"' };
    const { run, seen } = await activitiesAgainst(database, [
      { ...page(runBody(`Build ${newId('bld')}`, { id: 76 }), runBody('nothing', { id: 75 })), headers: next },
      page(runBody(`Build ${build.id}`)),
    ]);
    expect(await run('lookForRun', { buildId: build.id })).toEqual({ state: 'running' });
    expect(await stateOf(database, build)).toMatchObject({ status: 'running', runId: 77, dispatch: 'sent' });
    expect(seen[0]?.path).toMatch(/workflows\/deploy\.yml\/runs\?.*event=workflow_dispatch/);
    expect(seen[0]?.path).toContain('created=%3E%3D');
  });

  test('can find nothing, and then asks a person once', async () => {
    const build = await unknownBuild();
    const { run } = await activitiesAgainst(database, [page(runBody(`Build ${newId('bld')}`))]);
    expect(await run('lookForRun', { buildId: build.id })).toEqual({ state: 'absent' });

    expect(await run('markUncertain', { buildId: build.id })).toBe(true);
    expect(await run('markUncertain', { buildId: build.id })).toBe(true);
    expect(await stateOf(database, build)).toMatchObject({ status: 'uncertain', reason: 'dispatch_uncertain' });
    expect(await openIncidents(build)).toEqual(['dispatch_uncertain']);
    const incident = await database.reader('incidents').where({ subject_id: build.id }).first();
    const repository = await database.reader('repositories').where({ id: build.repositoryId }).first();
    expect(incident?.title).toBe(`${repository?.full_name}: it is unknown whether build ${build.id} was started`);
    expect(incident?.link).toBe(`${repository?.url}/actions`);
  });

  test('resolves the incident when the run appears later', async () => {
    const build = await unknownBuild();
    const { run } = await activitiesAgainst(database, [
      page(runBody(`Build ${build.id}`, { status: 'completed', conclusion: 'failure' })),
    ]);
    await run('markUncertain', { buildId: build.id });
    expect(await run('lookForRun', { buildId: build.id })).toEqual({
      state: 'ended',
      end: { status: 'failed', reason: 'run_failed' },
    });
    expect(await stateOf(database, build)).toMatchObject({ status: 'running', reason: null, runId: 77 });
    expect(await openIncidents(build)).toEqual([]);
  });
});

describe('a known run', () => {
  test('has its status read from GitHub', async () => {
    const build = await runningBuild();
    const { run, seen } = await activitiesAgainst(database, [
      { body: runBody('any title') },
      { body: runBody('any title', { status: 'completed', conclusion: 'success' }) },
      { status: 404, body: { message: 'Not Found' } },
    ]);
    expect(await run('lookForRun', { buildId: build.id })).toEqual({ state: 'running' });
    expect(await run('lookForRun', { buildId: build.id })).toEqual({ state: 'ended', end: { status: 'succeeded' } });
    expect(await run('lookForRun', { buildId: build.id })).toEqual({ state: 'missing' });
    expect(seen[0]?.path).toBe('/repos/acme/shop/actions/runs/77');
  });

  test('is canceled at GitHub', async () => {
    const build = await runningBuild();
    await database.write((trx) => cancelBuild(trx, build.id, 'canceled_by_request'));
    const { run, seen } = await activitiesAgainst(database, [{ status: 202, body: {} }]);
    expect(await run('cancelRun', { buildId: build.id })).toEqual({ state: 'running' });
    expect(seen).toMatchObject([{ method: 'POST', path: '/repos/acme/shop/actions/runs/77/cancel' }]);
  });

  test('that has already ended returns its result', async () => {
    const build = await runningBuild();
    await database.write((trx) => cancelBuild(trx, build.id, 'canceled_by_request'));
    const { run } = await activitiesAgainst(database, [
      { status: 409, body: { message: 'Cannot cancel a workflow run that is completed.' } },
      { body: runBody('any title', { status: 'completed', conclusion: 'success' }) },
    ]);
    expect(await run('cancelRun', { buildId: build.id })).toEqual({ state: 'ended', end: { status: 'succeeded' } });
  });

  test('is not canceled, and its build does not end, until the database decides it', async () => {
    const build = await runningBuild();
    const { run, seen } = await activitiesAgainst(database, [{ status: 202, body: {} }]);
    expect(await run('cancelRun', { buildId: build.id })).toEqual({ state: 'running' });
    for (const end of [
      { status: 'succeeded' },
      { status: 'failed', reason: 'run_failed' },
      { status: 'failed', reason: 'repository_gone' },
      { status: 'canceled', reason: 'canceled_by_request' },
      { status: 'canceled', reason: 'run_cancel_failed' },
      { status: 'timed_out', reason: 'pipeline_timeout' },
    ] as const) {
      expect(await run('endBuild', { buildId: build.id, end })).toBe('undecided');
    }
    expect(seen).toEqual([]);
    expect(await stateOf(database, build)).toMatchObject({ status: 'running', reason: null });

    await database.write((trx) => trx('builds').where({ id: build.id }).update({ created_at: 0 }));
    expect(await run('cancelRun', { buildId: build.id })).toEqual({ state: 'running' });
    expect(seen).toHaveLength(1);
    const end = { status: 'timed_out', reason: 'pipeline_timeout' } as const;
    expect(await run('endBuild', { buildId: build.id, end })).toEqual(end);
  });

  test('is not requested after its build has ended', async () => {
    const build = await runningBuild();
    const { run, seen } = await activitiesAgainst(database, [{ status: 500 }]);
    await database.write((trx) => recordRunEnd(trx, build.id, { status: 'succeeded' }));
    await run('endBuild', { buildId: build.id, end: { status: 'succeeded' } });
    expect(await run('lookForRun', { buildId: build.id })).toMatchObject({ state: 'over' });
    expect(await run('cancelRun', { buildId: build.id })).toMatchObject({ state: 'over' });
    expect(seen).toEqual([]);
  });
});

describe('the end of a build', () => {
  test('keeps the first result', async () => {
    const build = await runningBuild();
    const { run } = await activitiesAgainst(database, [{ status: 500 }]);
    await database.write((trx) => recordRunEnd(trx, build.id, { status: 'failed', reason: 'run_failed' }));
    await run('endBuild', { buildId: build.id, end: { status: 'failed', reason: 'run_failed' } });
    await database.write((trx) => recordRunEnd(trx, build.id, { status: 'succeeded' }));
    await run('endBuild', { buildId: build.id, end: { status: 'succeeded' } });
    expect(await stateOf(database, build)).toMatchObject({ status: 'failed', reason: 'run_failed' });
  });

  test.each([
    ['integration_not_granted', 'The organization no longer grants its integration to the project.'],
    ['project_deleted', 'Its project was deleted.'],
    ['integration_deleted', 'Its integration was deleted.'],
    ['canceled_by_request', 'The build was canceled.'],
  ])('that was requested shows the reason: %s', async (reason, detail) => {
    const build = await runningBuild();
    const { run } = await activitiesAgainst(database, [{ status: 500 }]);
    for (const why of [reason, 'another']) await database.write((trx) => cancelBuild(trx, build.id, why));
    await run('endBuild', { buildId: build.id, end: { status: 'canceled', reason: 'canceled_by_request' } });
    expect((await stateOf(database, build)).build).toMatchObject({ status: 'canceled', reason, detail });
  });

  test('has its reason in the build’s events before the run has ended', async () => {
    const build = await runningBuild();
    await database.write((trx) => cancelBuild(trx, build.id, 'project_deleted'));
    const { items } = await allBuildEvents(database.reader).list(build.id, { limit: 1 });
    expect(items).toMatchObject([{ type: 'cancel_requested', detail: { reason: 'project_deleted' } }]);
  });

  test('has the reason `ended_in_temporal` if an operator canceled the build in Temporal', async () => {
    const build = await runningBuild();
    const { run } = await activitiesAgainst(database, [{ status: 500 }]);
    await run('cancelInTemporal', { buildId: build.id });
    await run('endBuild', { buildId: build.id, end: { status: 'canceled', reason: 'canceled_by_request' } });
    expect(await stateOf(database, build)).toMatchObject({ status: 'canceled', reason: 'ended_in_temporal' });
  });

  test('has the run’s result if the run ended before the cancellation', async () => {
    const build = await runningBuild();
    const { run } = await activitiesAgainst(database, [{ status: 500 }]);
    await database.write((trx) => cancelBuild(trx, build.id, 'project_deleted'));
    await database.write((trx) => recordRunEnd(trx, build.id, { status: 'failed', reason: 'run_failed' }));
    await run('endBuild', { buildId: build.id, end: { status: 'failed', reason: 'run_failed' } });
    expect(await stateOf(database, build)).toMatchObject({ status: 'failed', reason: 'run_failed' });
  });

  test('voids a dispatch that was never sent', async () => {
    const build = await insertBuild(database);
    const { run } = await activitiesAgainst(database, [{ status: 429, headers: { 'retry-after': '30' } }]);
    await run('sendDispatch', { buildId: build.id, tries: 0 });
    await database.write((trx) => allBuilds(trx).requestCancel(build.id, 'canceled_by_request'));
    await run('endBuild', { buildId: build.id, end: { status: 'canceled', reason: 'canceled_by_request' } });
    expect(await stateOf(database, build)).toMatchObject({ status: 'canceled', dispatch: 'refused' });
  });

  test('resolves the incident', async () => {
    const build = await unknownBuild();
    const { run } = await activitiesAgainst(database, [{ status: 500 }]);
    await run('markUncertain', { buildId: build.id });
    await database.write((trx) => trx('builds').where({ id: build.id }).update({ created_at: 0 }));
    await run('endBuild', { buildId: build.id, end: { status: 'timed_out', reason: 'run_not_found' } });
    expect(await openIncidents(build)).toEqual([]);
  });
});
