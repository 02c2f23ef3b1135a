import { randomUUID } from 'node:crypto';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { storeDeliveries } from '../../../db/deliveries/store-deliveries.ts';
import { verifyChain } from '../../../db/ops/verify-chain.ts';
import { createRelay, type Relay } from '../../../worker/relay/relay.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { createFakeTemporal } from '../../support/fakes/fake-temporal.ts';
import { addGithubApp, silent } from '../../support/hooks.ts';
import { type Seed, seed } from '../../support/scenes/seed.ts';
import { addProject } from '../../support/scenes/tenants.ts';
import { world } from '../../support/scenes/world.ts';

const sha = 'a'.repeat(40);

let database: TestDatabase;
let relay: Relay;
let rows: Seed;
let githubAppId: string;
let mine: { orgId: string; projectId: string };
const temporal = createFakeTemporal();

beforeAll(async () => {
  database = await openTestDatabase();
  rows = seed(database);
  githubAppId = (await addGithubApp(database, { appId: 1, secret: 'secret of the test' })).id;
  mine = await rows.org();
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

/** Creates an installation with a repository that one app builds from. Nothing else in this file uses it. */
const scenario = (status: 'deleting' | 'suspended' | 'active' = 'active') =>
  world(database, { owner: mine, githubAppId, integration: { status } });

const push = (of: { installation?: number; repository: number }, changes: object = {}) => ({
  ref: 'refs/heads/main',
  before: '0'.repeat(40),
  after: sha,
  created: false,
  deleted: false,
  forced: false,
  head_commit: { id: sha, message: 'Fix the roof' },
  repository: { id: of.repository },
  ...(of.installation !== undefined && { installation: { id: of.installation } }),
  sender: { id: 7 },
  ...changes,
});

/** Stores a delivery as the intake does, and waits for the relay's decision. */
async function deliver(event: string, payload: unknown) {
  const body = Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload));
  const delivery = { githubAppId, providerDeliveryId: randomUUID(), event, contentKey: null, headers: {}, body };
  const [stored] = await database.write((trx) => storeDeliveries(trx, [delivery]));
  const id = stored?.id ?? '';
  const find = () => database.reader('deliveries').where({ id }).first();
  await expect.poll(async () => (await find())?.status, { timeout: 5_000, interval: 10 }).not.toBe('received');
  const row = await find();
  const decisions = await database.reader('decisions').where({ delivery_id: id }).orderBy('pipeline_id');
  const builds = await database.reader('builds').where({ delivery_id: id });
  return { row, outcome: `${row?.status}: ${row?.reason}`, decisions, builds };
}

test('decides every candidate pipeline with a reason, and makes one build, start and audit row per match', async () => {
  const of = await scenario();
  const all = await of.newPipeline();
  const release = await of.newPipeline({ branches: '["release/**"]' });
  const off = await of.newPipeline({ enabled: false });
  const gone = await of.newPipeline({ deleted_at: 1 });

  const { outcome, row, decisions, builds } = await deliver('push', push(of));
  expect(outcome).toBe('processed: builds_created');
  expect(row).toMatchObject({
    org_id: mine.orgId,
    installation_external_id: of.installation,
    repository_external_id: of.repository,
  });
  const reasons = Object.fromEntries(
    decisions.map(({ pipeline_id, outcome, reason }) => [pipeline_id, `${outcome} ${reason}`]),
  );
  expect(reasons).toEqual({
    [all]: 'build matched',
    [release]: 'skipped branch_not_matched',
    [off]: 'skipped pipeline_disabled',
  });
  expect(reasons).not.toHaveProperty(gone);

  expect(builds).toHaveLength(1);
  const build = builds[0];
  expect(build).toMatchObject({
    pipeline_id: all,
    status: 'queued',
    sha,
    ref: 'refs/heads/main',
    message: 'Fix the roof',
    created_by: `integration:${of.integrationId}`,
  });
  expect(decisions.find(({ pipeline_id }) => pipeline_id === all)?.build_id).toBe(build?.id);
  await expect
    .poll(() => temporal.handed.filter(({ workflowId }) => workflowId === `build/${build?.id}`).length)
    .toBe(1);
  const audit = await database.reader('audit_events').where({ target: build?.id ?? '' });
  expect(audit).toMatchObject([{ action: 'build.triggered', actor: `integration:${of.integrationId}` }]);
});

test('blocks a fork’s pull request and starts nothing', async () => {
  const of = await scenario();
  await of.newPipeline();
  const payload = {
    action: 'opened',
    number: 3,
    pull_request: {
      number: 3,
      title: 'From outside',
      head: { sha, ref: 'patch', repo: { id: 999_999 } },
      base: { sha, ref: 'main', repo: { id: of.repository } },
    },
    repository: { id: of.repository },
    installation: { id: of.installation },
  };
  const { decisions, builds } = await deliver('pull_request', payload);
  expect(decisions).toMatchObject([{ outcome: 'blocked', reason: 'fork_pull_request' }]);
  expect(builds).toMatchObject([{ status: 'blocked', reason: 'fork_pull_request', fork: expect.toSatisfy(Boolean) }]);
  expect(await database.reader('commands').where({ workflow_id: `build/${builds[0]?.id}` })).toEqual([]);
});

test('ignores a delivery that concerns no pipeline, with a reason', async () => {
  const of = await scenario();
  expect((await deliver('push', push(of))).outcome).toBe('ignored: no_pipeline');
  expect((await deliver('push', push({ repository: of.repository }))).outcome).toBe('ignored: installation_missing');
  const unknown = { installation: 5, repository: of.repository };
  expect((await deliver('push', push(unknown))).outcome).toBe('ignored: installation_unknown');
  const elsewhere = { installation: of.installation, repository: 6 };
  expect((await deliver('push', push(elsewhere))).outcome).toBe('ignored: repository_unknown');
  expect((await deliver('ping', { zen: 'Design for failure.' })).outcome).toBe('ignored: ping');
  expect((await deliver('create', push(of))).outcome).toBe('ignored: ref_event');
  expect((await deliver('star', { action: 'created' })).outcome).toBe('ignored: event_not_consumed');
  expect((await deliver('push', 'no JSON')).outcome).toBe('failed: payload_malformed');
  expect((await deliver('push', { ref: 'refs/heads/main' })).outcome).toBe('failed: payload_malformed');
  await of.newPipeline();
  expect((await deliver('push', push(of, { ref: 'refs/heads/x', deleted: true }))).outcome).toBe(
    'processed: no_pipeline_matched',
  );
});

test('builds nothing for an unclaimed installation, and shows its deliveries only to operators', async () => {
  const of = { installation: 101, repository: 102 };
  const installationId = await rows.installation(githubAppId, of.installation);
  await rows.repository({ githubAppId, installationId, externalId: of.repository });
  const { outcome, row } = await deliver('push', push(of));
  expect(outcome).toBe('ignored: installation_unbound');
  expect(row?.org_id).toBeNull();
});

test('rejects and audits a push that names another tenant’s repository', async () => {
  const victim = await scenario();
  await victim.newPipeline();
  const { installation } = await world(database, { githubAppId });

  const { outcome, row, builds } = await deliver('push', push({ installation, repository: victim.repository }));
  expect(outcome).toBe('ignored: installation_mismatch');
  expect(builds).toEqual([]);
  const audit = await database.reader('audit_events').where({ target: row?.id ?? '' });
  expect(audit).toMatchObject([{ action: 'delivery.refused', outcome: 'refused', org_id: mine.orgId }]);
});

test('builds nothing if the app’s integration is suspended, being deleted or no longer bound', async () => {
  for (const [status, reason] of [
    ['suspended', 'integration_suspended'],
    ['deleting', 'integration_deleted'],
  ] as const) {
    const of = await scenario(status);
    await of.newPipeline();
    const { outcome, decisions, builds } = await deliver('push', push(of));
    expect(outcome).toBe(`ignored: ${reason}`);
    expect(decisions).toMatchObject([{ outcome: 'skipped', reason }]);
    expect(builds).toEqual([]);
  }
  const of = await scenario();
  await of.newPipeline();
  await database.write((trx) => trx('bindings').where({ integration_id: of.integrationId }).delete());
  expect((await deliver('push', push(of))).outcome).toBe('ignored: integration_unbound');
});

test('fails a build through a deleted integration while others use its installation', async () => {
  const of = await scenario();
  await of.newPipeline();
  const projectId = await addProject(database, mine.orgId);
  const other = await world(database, { owner: { orgId: mine.orgId, projectId }, on: of });
  await other.newPipeline();
  await database.write((trx) => trx('integrations').where({ id: of.integrationId }).update({ status: 'deleting' }));

  const { outcome, builds } = await deliver('push', push(of));
  expect(outcome).toBe('processed: builds_created');
  expect(builds.find(({ app_id }) => app_id === of.appId)).toMatchObject({
    status: 'failed',
    reason: 'integration_deleted',
  });
  expect(builds.find(({ app_id }) => app_id === other.appId)).toMatchObject({ status: 'queued' });
});

test('builds through an organization’s integration only while it is granted to the project', async () => {
  const of = await scenario();
  await of.newPipeline();
  const grant = { integration_id: of.integrationId, project_id: mine.projectId, org_id: mine.orgId };
  await database.write(async (trx) => {
    const ofOrg = { project_id: null, owner_id: mine.orgId, status: 'suspended' as const };
    await trx('integrations').where({ id: of.integrationId }).update(ofOrg);
  });
  const refused = await deliver('push', push(of));
  expect(refused.outcome).toBe('ignored: integration_not_granted');
  expect(refused.decisions).toMatchObject([{ outcome: 'skipped', reason: 'integration_not_granted' }]);
  await database.write(async (trx) => {
    await trx('integrations').where({ id: of.integrationId }).update({ status: 'active' });
    await trx('grants').insert({ ...grant, created_by: 'system', created_at: 1 });
  });
  expect((await deliver('push', push(of))).outcome).toBe('processed: builds_created');
  await database.write((trx) => trx('grants').where(grant).delete());
  expect((await deliver('push', push(of))).outcome).toBe('ignored: integration_not_granted');
});

test('applies changes of installations and requests a sync', async () => {
  const of = await scenario();
  const gone = { action: 'deleted', installation: { id: of.installation, account: { id: 1, login: 'octo' } } };
  const { outcome, row } = await deliver('installation', gone);
  expect(outcome).toBe('processed: sync_requested');
  expect(row?.action).toBe('deleted');
  await expect
    .poll(() => temporal.handed.filter(({ workflowId }) => workflowId === `sync/${githubAppId}`).length)
    .toBeGreaterThan(0);
  await of.newPipeline();
  expect((await deliver('push', push(of))).outcome).toBe('ignored: installation_unknown');
});

test('accepts a workflow run only for a build of its own repository', async () => {
  const of = await scenario();
  await of.newPipeline();
  const { builds } = await deliver('push', push(of));
  const buildId = builds[0]?.id ?? '';
  await database.write((trx) =>
    trx('dispatches').insert({ build_id: buildId, state: 'sent', run_id: null, created_at: 1, updated_at: 1 }),
  );
  const run = (repository: number, installation: number) => ({
    action: 'in_progress',
    workflow_run: {
      id: 31,
      run_attempt: 1,
      status: 'in_progress',
      event: 'workflow_dispatch',
      display_title: `Build ${buildId}`,
      html_url: 'x',
    },
    repository: { id: repository },
    installation: { id: installation },
  });
  const other = await scenario();
  expect((await deliver('workflow_run', run(other.repository, other.installation))).outcome).toBe(
    'ignored: run_unknown',
  );
  expect((await deliver('workflow_run', run(of.repository, of.installation))).outcome).toBe('processed: run_recorded');
  expect(await database.reader('builds').where({ id: buildId }).first()).toMatchObject({ run_id: 31 });
});

test('decides a delivery with text that Postgres cannot store', async () => {
  const of = await scenario();
  await of.newPipeline();
  const message = `Nul \0 and half a pair \ud800 ${'long '.repeat(10_000)}`;
  const { outcome, builds } = await deliver('push', push(of, { head_commit: { id: sha, message } }));
  expect(outcome).toBe('processed: builds_created');
  expect(builds[0]?.message).toHaveLength(1_000);
});

test.each([
  ['ref', { ref: 'refs/heads/ma\0in' }],
  ['ref of a large body', { ref: 'refs/heads/ma\0in', padding: 'x'.repeat(300_000) }],
  ['commit', { after: `${'a'.repeat(39)}\0` }],
  ['endless ref', { ref: `refs/heads/${'x'.repeat(300_000)}` }],
])('builds nothing from a push with a NUL or too much text in its %s', async (_, changes) => {
  const of = await scenario();
  await of.newPipeline();
  const { outcome, builds } = await deliver('push', push(of, changes));
  expect(outcome).toBe('failed: payload_malformed');
  expect(builds).toEqual([]);
});

test('does not read the body of an event that nothing consumes', async () => {
  expect((await deliver('star', 'not JSON')).outcome).toBe('ignored: event_not_consumed');
  expect((await deliver('push', 'not JSON')).outcome).toBe('failed: payload_malformed');
});

test('decides a push with a body of many megabytes', async () => {
  const of = await scenario();
  await of.newPipeline();
  const commits = Array.from({ length: 3_000 }, (_, n) => ({ id: `${n}`, message: 'm'.repeat(500) }));
  const { outcome, builds } = await deliver('push', push(of, { commits }));
  expect(outcome).toBe('processed: builds_created');
  expect(builds[0]).toMatchObject({ message: 'Fix the roof' });
});

test('chains the audit within a second and shows that the relay is alive', async () => {
  await expect.poll(async () => (await verifyChain(database.reader, mine.orgId)).unchained, { timeout: 2_000 }).toBe(0);
  const verdict = await verifyChain(database.reader, mine.orgId);
  expect(verdict).toMatchObject({ finding: 'intact' });
  expect(verdict.length).toBeGreaterThan(3);
  expect(await database.reader('relays').first()).toMatchObject({ temporal_reachable: expect.toSatisfy(Boolean) });
});
