import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { allBuilds } from '../../db/builds/builds.ts';
import { deliveryQueue } from '../../db/deliveries/delivery-queue.ts';
import { allIncidents } from '../../db/ops/incidents.ts';
import { allTokens } from '../../db/people/tokens.ts';
import { createPurge } from '../../db/purge.ts';
import { credentialsIn } from '../../db/secrets/credentials.ts';
import { rotationsIn } from '../../db/secrets/rotations.ts';
import { sealedSecrets } from '../../db/secrets/sealed-secrets.ts';
import { commandsIn } from '../../db/store/commands.ts';
import { newId } from '../../domain/ids.ts';
import { registryPasswordKind } from '../../domain/registries/registry-settings.ts';
import { connectAgain, openTestDatabase, type TestDatabase } from '../support/database.ts';
import { keyring } from '../support/hooks.ts';
import { oldData } from '../support/scenes/old-data.ts';
import { seed } from '../support/scenes/seed.ts';
import { type World, world } from '../support/scenes/world.ts';

const day = 24 * 3_600_000;
/** Never goes back, because a new ID is never older than an existing one. */
let clock = Date.now();
let database: TestDatabase;
let old: ReturnType<typeof oldData>;
let here: World;
let pipeline: string;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: clock });
  database = await openTestDatabase();
  here = await world(database);
  pipeline = await here.newPipeline();
  old = oldData(database, here);
});
afterEach(async () => {
  vi.useRealTimers();
  await database.drop();
});

function pass(days: number): void {
  clock = Date.now() + days * day + 1;
  vi.setSystemTime(clock);
}

/** Lets days pass, and deletes what is due then. */
async function after(days: number): Promise<void> {
  pass(days);
  const purge = createPurge(database);
  while (await purge());
}

const idsOf = async (table: string): Promise<string[]> => database.reader(table).orderBy('id').pluck('id');

test('deletes the body of a decided webhook after 14 days and its row after 90', async () => {
  const guid = randomUUID();
  const id = await old.addDelivery({ guid });
  const large = await old.addLargeDelivery(40);
  await old.decide(id);
  await old.decide(large);
  await after(13);
  expect(await database.reader('delivery_bodies').pluck('delivery_id')).toEqual([id]);
  expect(await database.reader('large_body_parts')).toHaveLength(40);
  await after(1);
  expect(await database.reader('delivery_bodies')).toEqual([]);
  expect(await database.reader('large_body_parts')).toEqual([]);
  const removed = { status: 'processed', body_removed_at: Date.now() };
  expect(await database.reader('deliveries').orderBy('id')).toMatchObject([removed, removed]);
  // A redelivery after that still counts as the same webhook.
  expect(await old.addDelivery({ guid })).toBe(id);
  await after(75);
  expect((await idsOf('deliveries')).sort()).toEqual([id, large].sort());
  await after(1);
  expect(await idsOf('deliveries')).toEqual([]);
});

test('keeps a webhook that is not decided, with its body', async () => {
  const small = await old.addDelivery();
  const large = await old.addLargeDelivery(3);
  await after(1_000);
  expect((await idsOf('deliveries')).sort()).toEqual([small, large].sort());
  expect(await database.reader('delivery_bodies').pluck('delivery_id')).toEqual([small]);
  expect(await database.reader('large_body_parts')).toHaveLength(3);
});

test('counts the ages of a webhook from its decision', async () => {
  const id = await old.addDelivery();
  await after(89);
  await old.decide(id);
  await after(13);
  expect(await database.reader('delivery_bodies').pluck('delivery_id')).toEqual([id]);
  await after(76);
  expect(await idsOf('deliveries')).toEqual([id]);
});

test('deletes small numbers of large bodies in one transaction', async () => {
  const ids = [await old.addDelivery(), await old.addDelivery(), await old.addDelivery()];
  for (const id of ids) await old.decide(id);
  await old.write((trx) => trx('deliveries').update({ size: 5 * 1024 * 1024 }));
  pass(15);
  const purge = createPurge(database);
  const left: number[] = [];
  for (let more = true; more; ) {
    more = await purge();
    left.push((await database.reader('delivery_bodies')).length);
  }
  expect(left).toEqual([2, 1, 0]);
});

test('deletes an old build with its events, and keeps what its environment runs', async () => {
  const [first, deployed, failed, newest] = [
    await old.addBuild(pipeline),
    await old.addBuild(pipeline),
    await old.addBuild(pipeline, 'failed'),
    await old.addBuild(pipeline, 'failed'),
  ];
  await after(89);
  expect(await idsOf('builds')).toHaveLength(4);
  await after(1);
  expect(await idsOf('builds')).toEqual([deployed.id, newest.id].sort());
  for (const gone of [first, failed]) {
    expect(await allBuilds(database.reader).find(gone.id)).toBeUndefined();
    expect(await database.reader('build_events').where({ build_id: gone.id })).toEqual([]);
    expect(await database.reader('dispatches').where({ build_id: gone.id })).toEqual([]);
  }
  expect((await database.reader('build_events').where({ build_id: deployed.id })).length).toBeGreaterThan(2);
});

test('keeps a build that has not ended', async () => {
  const running = await old.addBuild(pipeline, 'queued');
  await old.addBuild(pipeline);
  const newest = await old.addBuild(pipeline);
  await after(1_000);
  expect(await idsOf('builds')).toEqual([running.id, newest.id].sort());
});

test('keeps a rerun when its source is deleted', async () => {
  const source = await old.addBuild(pipeline);
  await after(89);
  const again = await old.addBuild(source);
  expect(again.rerunOf).toBe(source.id);
  await after(1);
  expect(await idsOf('builds')).toEqual([again.id]);
  expect((await allBuilds(database.reader).find(again.id))?.rerunOf).toBeNull();
  const { id } = await old.rerun(again);
  expect(await idsOf('builds')).toEqual([again.id, id].sort());
});

test('keeps a build while a decision or a lease names it', async () => {
  const [decided, leased, free] = [
    await old.addBuild(pipeline),
    await old.addBuild(pipeline),
    await old.addBuild(pipeline),
  ];
  await old.addBuild(pipeline);
  const delivery = await old.addDelivery();
  await old.addDecision(delivery, decided);
  const { lease } = await old.addLease(leased.id);
  // Far in the future, as if the clock of the provider were wrong.
  await old.write((trx) =>
    trx('leases')
      .where({ id: lease })
      .update({ expires_at: Date.now() + 200 * day }),
  );
  await after(100);
  expect(await idsOf('builds')).toEqual(expect.arrayContaining([decided.id, leased.id]));
  expect(await idsOf('builds')).not.toContain(free.id);
  await old.decide(delivery);
  await after(300);
  expect(await idsOf('builds')).toHaveLength(1);
});

test('deletes an ended lease and its token, and keeps a lease whose token might have to be revoked', async () => {
  const [ended, sealed] = [await old.addLease(), await old.addLease()];
  await after(89);
  expect(await idsOf('leases')).toHaveLength(2);
  // By now, the text of the tokens is deleted. Nobody has asked the provider to revoke this one.
  await old.write((trx) =>
    trx('minted_tokens').where({ id: sealed.token }).update({ sealed: 'k1.text', key_id: 'k1' }),
  );
  await old.write((trx) =>
    trx('minted_tokens')
      .where({ id: sealed.token })
      .update({ expires_at: Date.now() + 365 * day }),
  );
  const live = await old.addLease();
  await after(2);
  expect(await idsOf('leases')).toEqual([sealed.lease, live.lease].sort());
  expect(await idsOf('minted_tokens')).toEqual([sealed.token, live.token].sort());
  expect(await idsOf('minted_tokens')).not.toContain(ended.token);
});

test('deletes ended operations, and keeps running ones and deletions', async () => {
  await old.addOperation('sync');
  const kept = [await old.addOperation('recover', false), await old.addOperation('delete')];
  await after(89);
  expect(await idsOf('operations')).toHaveLength(3);
  await after(1);
  expect(await idsOf('operations')).toEqual(kept.sort());
});

test('deletes the rows of destroyed secrets, but not the newest and not those of an open rotation', async () => {
  const integrationId = await seed(database).registry(await seed(database).org());
  const other = await seed(database).registry(await seed(database).org());
  const put = (id: string, secret: string) =>
    old.write((trx) => sealedSecrets(trx, keyring).put({ integrationId: id }, null, registryPasswordKind, secret));
  const credentialOf = async (id: string) =>
    (await database.reader('credentials').where({ integration_id: id }).first('id'))?.id ?? '';
  for (const secret of ['first', 'second', 'third']) {
    await put(integrationId, secret);
    await put(other, secret);
  }
  const [credentialId, rotated] = [await credentialOf(integrationId), await credentialOf(other)];
  const { orgId, projectId } = here;
  const [operationId, rollback] = [await old.addOperation('rotate'), await old.addOperation('rotate')];
  const rotation = await old.write((trx) =>
    rotationsIn(trx).insert({
      ...{ orgId, projectId, integrationId: other, credentialId: rotated, operationId, mode: 'auto' },
      ...{ newVersion: 3, oldVersion: 2, requestedBy: 'system' },
    }),
  );
  await old.write((trx) => rotationsIn(trx).note(rotation?.id ?? '', { rollbackOperationId: rollback }));
  // The newest version was never accepted.
  await old.write((trx) => credentialsIn(trx).purge(credentialId, 'active'));
  const versionsOf = (id: string) =>
    database.reader('credential_versions').where({ credential_id: id }).orderBy('version').pluck('version');
  await after(2);
  expect(await versionsOf(credentialId)).toEqual([1, 2, 3]);
  await after(90);
  expect(await versionsOf(credentialId)).toEqual([3]);
  expect(await versionsOf(rotated)).toEqual([1, 2, 3]);
  expect(await idsOf('operations')).toEqual([operationId, rollback].sort());
  await put(integrationId, 'fourth');
  expect(await versionsOf(credentialId)).toEqual([3, 4]);

  await old.write((trx) => rotationsIn(trx).move(rotation?.id ?? '', 'rejected'));
  await after(89);
  expect(await versionsOf(rotated)).toEqual([3]);
  expect(await idsOf('rotations')).toHaveLength(1);
  await after(1);
  expect(await idsOf('rotations')).toEqual([]);
  expect(await idsOf('operations')).toEqual([]);
});

test('deletes ended flows with their states, and keeps open ones and the one that created a GitHub App', async () => {
  await old.addFlow('operator');
  await old.addFlow('manifest', newId('gha'));
  const kept = [await old.addFlow('manifest'), await old.addFlow('operator', here.githubAppId, false)];
  // States are deleted a week after they expire. This one is as old as the clock of another process makes it.
  await old.write((trx) => trx('flow_states').update({ expires_at: Date.now() + 1_000 * day }));
  await after(89);
  expect(await idsOf('connect_flows')).toHaveLength(4);
  await after(1);
  expect(await idsOf('connect_flows')).toEqual(kept.sort());
  expect((await database.reader('flow_states').pluck('flow_id')).sort()).toEqual(kept.sort());
});

test('deletes resolved incidents and refused commands, and keeps open incidents', async () => {
  const { orgId } = here;
  const raise = (subjectId: string) =>
    old.write((trx) => allIncidents(trx).raise({ orgId, projectId: null, code: 'build_stuck', subjectId }));
  await raise('resolved');
  await raise('open');
  await old.write((trx) => allIncidents(trx).resolveSubject('build_stuck', 'resolved'));
  await old.write(async (trx) => {
    await commandsIn(trx).add({ action: 'start', workflow: 'dispatchBuild', workflowId: 'build/refused', input: {} });
    await trx('commands').where({ workflow_id: 'build/refused' }).update({ status: 'failed' });
  });
  await after(89);
  expect(await idsOf('incidents')).toHaveLength(2);
  expect(await database.reader('commands').where({ status: 'failed' })).toHaveLength(1);
  await after(1);
  expect(await database.reader('incidents').pluck('subject_id')).toEqual(['open']);
  expect(await database.reader('commands').where({ status: 'failed' })).toEqual([]);
});

test('deletes revoked and expired tokens, and keeps one that can still end another token', async () => {
  await old.addToken(Date.now() + day);
  const revoked = await old.addToken(null);
  const forever = await old.addToken(null);
  const maker = await old.addToken(Date.now() + day);
  const made = await old.addToken(null, `token:${maker}`);
  await old.write((trx) => allTokens(trx).revoke(revoked));
  await after(89);
  expect(await idsOf('tokens')).toHaveLength(5);
  await after(3);
  expect(await idsOf('tokens')).toEqual([forever, maker, made].sort());
});

test('two processes can delete at the same time', async () => {
  const ids: string[] = [];
  for (let n = 0; n < 30; n += 1) {
    const build = await old.addBuild(pipeline);
    const delivery = await old.addDelivery();
    await old.addDecision(delivery, build);
    await old.addLease(build.id);
    ids.push(delivery);
  }
  await old.write((trx) => deliveryQueue(trx).finish(ids, { status: 'processed', reason: 'builds_created' }));
  pass(91);
  const other = database.dialect === 'postgres' ? connectAgain(database.source) : database;
  const drain = async (purge: () => Promise<boolean>) => {
    while (await purge());
  };
  await Promise.all([database, other].map((one) => drain(createPurge(one, { atMost: 4 }))));
  // A process leaves a row that refers to another to the next pass, if another process still deletes that one.
  await drain(createPurge(database));
  if (other !== database) await other.close();
  expect(await idsOf('builds')).toHaveLength(1);
  for (const table of ['deliveries', 'leases']) expect(await idsOf(table)).toEqual([]);
});

test('deletes the other kinds if one cannot be deleted', async () => {
  const { id } = await old.addBuild(pipeline);
  await old.addBuild(pipeline);
  const operation = await old.addOperation('sync');
  await old.write((trx) => trx.raw('create table holds (build_id text not null references builds (id))'));
  await old.write((trx) => trx.raw('insert into holds (build_id) values (?)', [id]));
  pass(91);
  const purge = createPurge(database);
  await expect(purge()).rejects.toThrow(/foreign key/i);
  expect(await idsOf('builds')).toHaveLength(2);
  expect(await idsOf('operations')).not.toContain(operation);
  await old.write((trx) => trx.raw('delete from holds'));
  await purge();
  expect(await idsOf('builds')).toHaveLength(1);
});
