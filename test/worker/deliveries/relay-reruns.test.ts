import { createHash, randomUUID } from 'node:crypto';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { allBuilds, type Build, type NewBuild } from '../../../db/builds/builds.ts';
import { allPipelines } from '../../../db/builds/pipelines.ts';
import { storeDeliveries } from '../../../db/deliveries/store-deliveries.ts';
import type { BuildStatus } from '../../../domain/builds/build-status.ts';
import { contentKeyOf } from '../../../domain/deliveries/delivery-content.ts';
import { createRelay, type Relay } from '../../../worker/relay/relay.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { createFakeTemporal } from '../../support/fakes/fake-temporal.ts';
import { addGithubApp, silent } from '../../support/hooks.ts';
import { seed } from '../../support/scenes/seed.ts';
import { world } from '../../support/scenes/world.ts';

const appId = 1;
let database: TestDatabase;
let relay: Relay;
let githubAppId: string;
let mine: { orgId: string; projectId: string };
const temporal = createFakeTemporal();

/** The ID of GitHub's next check run. */
let number = 100;

beforeAll(async () => {
  database = await openTestDatabase();
  githubAppId = (await addGithubApp(database, { appId, secret: 'secret of the test' })).id;
  mine = await seed(database).org();
  relay = createRelay({
    database,
    temporal: temporal.starter,
    logger: silent,
    registry: new Registry(),
    patienceMs: 0,
  });
  await relay.start();
});
afterAll(async () => {
  await relay.stop();
  await database.drop();
});

/** Creates a repository of its own, with one build that has ended. */
async function scenario(owner = mine) {
  const of = await world(database, { owner, githubAppId });
  const sha = createHash('sha1').update(`${of.repository}`).digest('hex');

  async function build(changes: Partial<NewBuild> = {}, end: BuildStatus | null = 'failed'): Promise<Build> {
    const { id } = await of.newBuild({ sha, ...changes });
    const checkRunId = ++number;
    return database.write(async (trx) => {
      await trx('builds')
        .where({ id })
        .update({ check_run_id: checkRunId, ...(end && { status: end }) });
      return (await allBuilds(trx).find(id)) as Build;
    });
  }

  return { ...of, sha, build };
}

type Scenario = Awaited<ReturnType<typeof scenario>>;

const common = (of: { installation: number; repository: number }) => ({
  action: 'rerequested',
  repository: { id: of.repository },
  installation: { id: of.installation },
  sender: { id: 7 },
});

const checkRun = (of: Scenario, build: Build, changes: object = {}) => ({
  ...common(of),
  check_run: {
    id: build.checkRunId,
    external_id: build.id,
    head_sha: build.sha,
    status: 'completed',
    app: { id: appId },
    ...changes,
  },
});

const checkSuite = (of: Scenario, changes: object = {}) => ({
  ...common(of),
  check_suite: { id: 5, head_sha: of.sha, app: { id: appId }, ...changes },
});

/** Stores a delivery as the intake does, and waits for the relay's decision. */
async function deliver(event: string, payload: object, guid: string = randomUUID()) {
  const text = JSON.stringify(payload);
  const body = Buffer.from(text);
  const contentKey = contentKeyOf(event, createHash('sha256').update(text).digest('hex'));
  const delivery = { githubAppId, providerDeliveryId: guid, event, contentKey, headers: {}, body };
  const [stored] = await database.write((trx) => storeDeliveries(trx, [delivery]));
  const id = stored?.id ?? '';
  const find = () => database.reader('deliveries').where({ id }).first();
  await expect.poll(async () => (await find())?.status, { timeout: 5_000, interval: 10 }).not.toBe('received');
  const row = await find();
  const decisions = await database.reader('decisions').where({ delivery_id: id }).orderBy('pipeline_id');
  return { outcome: `${row?.status}: ${row?.reason}`, decisions };
}

const rerunsOf = (build: Build) => database.reader('builds').where({ rerun_of: build.id }).orderBy('id');

test('makes one build after "Re-run" at a check run, however often the delivery comes', async () => {
  const of = await scenario();
  const build = await of.build();
  const guid = randomUUID();
  const { outcome, decisions } = await deliver('check_run', checkRun(of, build), guid);
  expect(outcome).toBe('processed: builds_created');
  const [again, ...others] = await rerunsOf(build);
  expect(others).toEqual([]);
  expect(again).toMatchObject({ status: 'queued', sha: of.sha, pipeline_id: build.pipeline.id });
  expect(decisions).toMatchObject([{ outcome: 'build', reason: 'rerun_requested', build_id: again?.id }]);
  await expect
    .poll(() => temporal.handed.filter(({ workflowId }) => workflowId === `build/${again?.id}`).length)
    .toBe(1);
  const audit = await database.reader('audit_events').where({ target: again?.id ?? '' });
  expect(audit).toMatchObject([{ action: 'build.rerun', detail: expect.stringContaining(build.id) }]);

  // Redelivers the event, replays it under another ID, and presses "Re-run" at a check run that is no longer the
  // latest.
  await deliver('check_run', checkRun(of, build), guid);
  await deliver('check_run', checkRun(of, build));
  expect((await deliver('check_run', { ...checkRun(of, build), sender: { id: 8 } })).outcome).toBe(
    'ignored: build_unknown',
  );
  expect(await rerunsOf(build)).toHaveLength(1);
});

test('builds nothing for a foreign check run', async () => {
  const of = await scenario();
  const build = await of.build();
  const elsewhere = await scenario();
  const theirs = await scenario(await seed(database).org('others'));
  const their = await theirs.build();

  const outcomes = [
    await deliver('check_run', checkRun(of, build, { app: { id: appId + 1 } })),
    await deliver('check_run', checkRun(of, build, { id: 999_999 })),
    await deliver('check_run', checkRun(of, build, { external_id: 'bld_made_up' })),
    await deliver('check_run', checkRun(of, build, { head_sha: 'f'.repeat(40) })),
    await deliver('check_run', { ...checkRun(of, build), ...common(elsewhere) }),
    await deliver('check_run', { ...checkRun(theirs, their), ...common(of) }),
    await deliver('check_run', { ...checkRun(of, build), installation: { id: theirs.installation } }),
    await deliver('check_suite', checkSuite(of, { app: { id: appId + 1 } })),
    await deliver('check_run', { ...checkRun(of, build), action: 'completed' }),
    await deliver('check_run', checkRun(of, build, { app: null })),
  ];
  expect(outcomes.map(({ outcome }) => outcome)).toEqual([
    'ignored: check_of_another_app',
    'ignored: build_unknown',
    'ignored: build_unknown',
    'ignored: build_unknown',
    'ignored: build_unknown',
    'ignored: build_unknown',
    'ignored: installation_mismatch',
    'ignored: check_of_another_app',
    'ignored: event_not_consumed',
    'failed: payload_malformed',
  ]);
  expect([...(await rerunsOf(build)), ...(await rerunsOf(their))]).toEqual([]);
});

test('does not rebuild a running build, and blocks a fork’s build again', async () => {
  const of = await scenario();
  const building = await of.build({}, 'running');
  const { outcome, decisions } = await deliver('check_run', checkRun(of, building));
  expect(outcome).toBe('processed: no_build_rerun');
  expect(decisions).toMatchObject([{ outcome: 'skipped', reason: 'build_not_over', build_id: null }]);

  const fork = await of.build({ fork: true, event: 'pull_request' }, 'declined');
  expect((await deliver('check_run', checkRun(of, fork))).decisions).toMatchObject([{ outcome: 'blocked' }]);
  expect(await rerunsOf(fork)).toMatchObject([{ status: 'blocked', reason: 'fork_pull_request' }]);
});

test('rebuilds the latest ended build of each pipeline after "Re-run all checks"', async () => {
  const of = await scenario();
  const old = await of.build();
  const latest = await of.build({ pipeline: old.pipeline, rerunOf: old.id }, 'succeeded');
  const other = await of.build({}, 'canceled');
  const building = await of.build({}, 'running');
  const gone = await of.build();
  await database.write((trx) => allPipelines(trx).remove(gone.pipeline.id));
  const disabled = await of.build();
  await database.write((trx) => trx('pipelines').where({ id: disabled.pipeline.id }).update({ enabled: false }));
  const elsewhere = await of.build({ sha: 'e'.repeat(40) });

  const { outcome, decisions } = await deliver('check_suite', checkSuite(of));
  expect(outcome).toBe('processed: builds_created');
  const reasons = Object.fromEntries(decisions.map(({ pipeline_id, reason }) => [pipeline_id, reason]));
  expect(reasons).toEqual({
    [latest.pipeline.id]: 'rerun_requested',
    [other.pipeline.id]: 'rerun_requested',
    [building.pipeline.id]: 'build_not_over',
    [gone.pipeline.id]: 'pipeline_deleted',
    [disabled.pipeline.id]: 'pipeline_disabled',
  });
  for (const build of [latest, other]) expect(await rerunsOf(build)).toHaveLength(1);
  for (const build of [building, gone, disabled, elsewhere]) expect(await rerunsOf(build)).toEqual([]);
  expect(await rerunsOf(old)).toMatchObject([{ id: latest.id }]);
});

test('rebuilds nothing for a revoked integration or a deleted app', async () => {
  const [revoked, deleted] = [await scenario(), await scenario()];
  const [first, second] = [await revoked.build(), await deleted.build()];
  await database.write(async (trx) => {
    await trx('integrations').where({ id: first.integrationId }).update({ project_id: null });
    await trx('apps').where({ id: second.appId }).update({ deleted_at: 1 });
  });
  for (const [of, build, reason] of [
    [revoked, first, 'integration_not_granted'],
    [deleted, second, 'app_deleted'],
  ] as const) {
    const { decisions } = await deliver('check_run', checkRun(of, build));
    expect(decisions).toMatchObject([{ outcome: 'skipped', reason, build_id: null }]);
    expect(await rerunsOf(build)).toEqual([]);
  }
});

test('reports builds that do not start in a workflow of their own', async () => {
  const of = await scenario();
  const blocked = await of.build({ status: 'blocked', reason: 'fork_pull_request' }, null);
  const reports = () => temporal.handed.filter(({ workflowId }) => workflowId === `report/${blocked.id}`).length;
  await expect.poll(reports).toBe(1);
  await database.write((trx) => allBuilds(trx).moveStatus(blocked.id, 'declined'));
  await expect.poll(reports).toBe(2);

  const failed = await of.build({ status: 'failed', reason: 'integration_deleted' }, null);
  await expect.poll(() => temporal.handed.some(({ workflowId }) => workflowId === `report/${failed.id}`)).toBe(true);
  // The workflow of a queued build reports its end.
  const queued = await of.build({}, null);
  await database.write((trx) => allBuilds(trx).moveStatus(queued.id, 'canceled'));
  await expect.poll(() => temporal.handed.some(({ workflowId }) => workflowId === `build/${queued.id}`)).toBe(true);
  expect(temporal.handed.some(({ workflowId }) => workflowId === `report/${queued.id}`)).toBe(false);
});
