import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { allBuildEvents, buildEventsFor } from '../../../db/builds/build-events.ts';
import { recordRun } from '../../../db/builds/build-runs.ts';
import { allBuilds, type Build, buildsFor } from '../../../db/builds/builds.ts';
import { dispatchesIn } from '../../../db/builds/dispatches.ts';
import { commandsIn } from '../../../db/store/commands.ts';
import type { TenantScope } from '../../../db/store/tenant.ts';
import type { DispatchState } from '../../../domain/builds/build-status.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { insertBuild, stateOf } from '../../support/scenes/some-build.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});

afterAll(() => database.drop());

async function commandsOf({ id }: Build) {
  const rows = await database
    .reader('commands')
    .where({ workflow_id: `build/${id}` })
    .orderBy('id');
  return rows.map(({ action, signal, input }) => ({ action, signal, input: JSON.parse(input) }));
}

async function eventsOf({ id }: Build): Promise<unknown[]> {
  const { items } = await allBuildEvents(database.reader).list(id, { limit: 100 });
  return items.reverse().map(({ type, detail }) => [type, detail]);
}

describe('a new build', () => {
  test('has a command that starts its workflow', async () => {
    const build = await insertBuild(database);
    const rows = await database.reader('commands').where({ workflow_id: `build/${build.id}` });
    expect(rows).toMatchObject([
      { action: 'start', workflow: 'dispatchBuild', summary: expect.stringContaining('0123456') },
    ]);
    expect(JSON.parse(rows[0]?.input ?? '')).toEqual({ buildId: build.id, timeoutMinutes: 60 });
    expect(JSON.parse(rows[0]?.attributes ?? '')).toMatchObject({ BuildId: build.id, Phase: 'queued' });
    expect(await eventsOf(build)).toEqual([['created', { status: 'queued', reason: null }]]);
  });

  test.each(['blocked', 'failed'] as const)('that is %s starts nothing', async (status) => {
    const build = await insertBuild(database, { status, reason: 'fork' });
    expect(await commandsOf(build)).toEqual([]);
  });

  test('is stored together with its command or not at all', async () => {
    const before = await commandsIn(database.reader).countPending();
    const { id: _id, ...build } = await insertBuild(database);
    const failing = database.write(async (trx) => {
      await allBuilds(trx).moveStatus(_id, 'dispatching');
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect((await stateOf(database, { id: _id, ...build })).status).toBe('queued');
    expect(await commandsIn(database.reader).countPending()).toBe(before + 1);
  });
});

describe('the status of a build', () => {
  test('moves only as allowed, and every move is recorded', async () => {
    const build = await insertBuild(database);
    const move = (to: 'running' | 'dispatching' | 'succeeded' | 'failed', reason?: string) =>
      database.write((trx) => allBuilds(trx).moveStatus(build.id, to, { reason }));
    expect(await move('running')).toBe(false);
    expect(await move('dispatching')).toBe(true);
    expect(await move('succeeded')).toBe(true);
    expect(await move('failed', 'run_failed')).toBe(false);
    expect(await eventsOf(build)).toEqual([
      ['created', { status: 'queued', reason: null }],
      ['status_changed', { status: 'dispatching', reason: null, detail: null }],
      ['status_changed', { status: 'succeeded', reason: null, detail: null }],
    ]);
    expect((await stateOf(database, build)).build).toMatchObject({ revision: 3, finishedAt: expect.any(Number) });
  });

  test('is moved once by many concurrent callers', async () => {
    const build = await insertBuild(database);
    const moved = await Promise.all(
      Array.from({ length: 10 }, () => database.write((trx) => allBuilds(trx).moveStatus(build.id, 'dispatching'))),
    );
    expect(moved.filter(Boolean)).toHaveLength(1);
  });

  test('is invisible to another tenant', async () => {
    const build = await insertBuild(database);
    const other = await insertBuild(database);
    const scope: TenantScope = { kind: 'grants', grants: [{ orgId: other.orgId, projectId: other.projectId }] };
    expect(await buildsFor(database.reader, scope).find(build.id)).toBeUndefined();
    expect((await buildsFor(database.reader, scope).list({}, { limit: 10 })).items.map(({ id }) => id)).toEqual([
      other.id,
    ]);
    expect(await database.write((trx) => buildsFor(trx, scope).moveStatus(build.id, 'canceled'))).toBe(false);
    expect(await database.write((trx) => buildsFor(trx, scope).requestCancel(build.id, 'canceled_by_request'))).toBe(
      false,
    );
    expect((await buildEventsFor(database.reader, scope).list(build.id, { limit: 10 })).items).toEqual([]);
  });
});

test('records one cancellation request', async () => {
  const build = await insertBuild(database);
  const ask = () => database.write((trx) => allBuilds(trx).requestCancel(build.id, 'canceled_by_request'));
  expect([await ask(), await ask()]).toEqual([true, true]);
  expect((await commandsOf(build)).slice(1)).toEqual([{ action: 'signal', signal: 'canceled', input: null }]);
  await database.write((trx) => allBuilds(trx).moveStatus(build.id, 'canceled'));
  expect(await ask()).toBe(false);
});

describe('a webhook about a run', () => {
  async function dispatched(state: DispatchState, runId?: number): Promise<Build> {
    const build = await insertBuild(database);
    await database.write(async (trx) => {
      await allBuilds(trx).moveStatus(build.id, 'dispatching');
      await dispatchesIn(trx).intend(build.id);
      if (state === 'intent') return;
      await dispatchesIn(trx).move(build.id, 'sending');
      if (state !== 'sending') await dispatchesIn(trx).move(build.id, state);
      if (runId) await allBuilds(trx).moveStatus(build.id, 'running', { run: { id: runId } });
    });
    return build;
  }

  const say = (build: Build, facts: Partial<Parameters<typeof recordRun>[1]> = {}) =>
    database.write((trx) =>
      recordRun(trx, {
        repositoryId: build.repositoryId,
        runId: 7,
        runAttempt: 1,
        status: 'in_progress',
        conclusion: null,
        url: 'https://github.com/acme/shop/7',
        displayTitle: `Build ${build.id}`,
        ...facts,
      }),
    );
  const signalsOf = async (build: Build) => (await commandsOf(build)).filter(({ action }) => action === 'signal');

  test('signals the workflow only when the run has ended', async () => {
    const build = await dispatched('sent', 7);
    expect(await say(build)).toEqual({ buildId: build.id });
    expect(await signalsOf(build)).toEqual([]);
    await say(build, { status: 'completed', conclusion: 'success' });
    expect(await signalsOf(build)).toEqual([
      { action: 'signal', signal: 'reported', input: { runId: 7, ended: { status: 'succeeded' } } },
    ]);
    expect((await stateOf(database, build)).status).toBe('running');
  });

  test('revives a build whose dispatch had no answer', async () => {
    const build = await dispatched('unknown');
    await say(build);
    expect(await stateOf(database, build)).toMatchObject({ status: 'running', runId: 7, dispatch: 'sent' });
    expect(await signalsOf(build)).toEqual([{ action: 'signal', signal: 'reported', input: { runId: 7 } }]);
  });

  test('does not signal a workflow whose dispatch is still being sent', async () => {
    const build = await dispatched('sending');
    await say(build);
    expect(await stateOf(database, build)).toMatchObject({ status: 'running', runId: 7, dispatch: 'sending' });
    expect(await signalsOf(build)).toEqual([]);
  });

  test('does not count in another repository', async () => {
    const build = await dispatched('unknown');
    const other = await insertBuild(database);
    expect(await say(build, { repositoryId: other.repositoryId })).toBeUndefined();
  });

  test('does not count for a build that was never sent', async () => {
    expect(await say(await dispatched('intent'))).toBeUndefined();
    expect(await say(await insertBuild(database))).toBeUndefined();
  });

  test('does not give a build a second run', async () => {
    const build = await dispatched('sent', 7);
    expect(await say(build, { runId: 8 })).toBeUndefined();
  });

  test('does not revive an ended build', async () => {
    const build = await dispatched('sent', 7);
    await database.write((trx) => allBuilds(trx).moveStatus(build.id, 'failed'));
    await say(build, { runAttempt: 2 });
    await say(build, { runAttempt: 2, status: 'completed', conclusion: 'success' });
    expect((await stateOf(database, build)).build).toMatchObject({ status: 'failed', runAttempt: null });
    expect(await signalsOf(build)).toEqual([]);
  });

  test('is stored with a build that no longer waits for it', async () => {
    const build = await dispatched('unknown');
    await database.write((trx) => allBuilds(trx).moveStatus(build.id, 'timed_out'));
    await say(build);
    expect(await stateOf(database, build)).toMatchObject({ status: 'timed_out', runId: 7 });
    expect(await eventsOf(build)).toContainEqual(['run_found', { run_id: 7, late: true }]);
  });

  test('is ignored if the run is not ours', async () => {
    const build = await dispatched('unknown');
    expect(await say(build, { displayTitle: 'CI' })).toBeUndefined();
  });
});
