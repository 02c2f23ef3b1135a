import { randomUUID } from 'node:crypto';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { storeDeliveries } from '../../../db/deliveries/store-deliveries.ts';
import { createRelay, type Relay } from '../../../worker/relay/relay.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { createFakeTemporal } from '../../support/fakes/fake-temporal.ts';
import { addGithubApp, silent } from '../../support/hooks.ts';
import { type Seed, seed } from '../../support/scenes/seed.ts';
import { world } from '../../support/scenes/world.ts';

let database: TestDatabase;
let rows: Seed;
let githubAppId: string;
let mine: { orgId: string; projectId: string };

/** Two relays, as on a cluster. Only one of them must decide a delivery that waits again. */
let relays: Relay[];
const patienceMs = 4_000;

beforeAll(async () => {
  database = await openTestDatabase();
  rows = seed(database);
  githubAppId = (await addGithubApp(database, { appId: 1, secret: 'secret of the test' })).id;
  mine = await rows.org();
  const temporal = createFakeTemporal().starter;
  relays = [0, 1].map(() => createRelay({ database, temporal, logger: silent, registry: new Registry(), patienceMs }));
  for (const relay of relays) await relay.start();
});
afterAll(async () => {
  for (const relay of relays) await relay.stop();
  await database.drop();
});

type Of = { installation: number; repository: number };

async function send({ installation, repository }: Of, providerDeliveryId: string = randomUUID()) {
  const payload = {
    ref: 'refs/heads/main',
    after: 'a'.repeat(40),
    repository: { id: repository },
    installation: { id: installation },
  };
  const body = Buffer.from(JSON.stringify(payload));
  const delivery = { githubAppId, providerDeliveryId, event: 'push', contentKey: null, headers: {}, body };
  const [stored] = await database.write((trx) => storeDeliveries(trx, [delivery]));
  return { id: stored?.id ?? '', duplicate: stored?.duplicate, guid: providerDeliveryId };
}

/** Returns the row once no relay holds it. On Postgres another relay can still hold it. */
const rowOf = (id: string) => database.write((trx) => trx('deliveries').where({ id }).forUpdate().first());
const reasonOf = async (id: string) => (await rowOf(id))?.reason;
const decisionsOf = (id: string) => database.reader('decisions').where({ delivery_id: id }).select('outcome', 'reason');
const buildsOf = (id: string) => database.reader('builds').where({ delivery_id: id });
const soon = { timeout: 12_000, interval: 20 };

async function scenario(status: 'suspended' | 'disconnected' | 'active' | 'reauth_required') {
  const of = await world(database, { owner: mine, githubAppId, integration: { status } });
  await of.newPipeline();
  const setStatus = (next: string) =>
    database.write((trx) =>
      trx('integrations')
        .where({ id: of.integrationId })
        .update({ status: next as 'active' }),
    );
  return { ...of, setStatus };
}

/**
 * Waits until all earlier deliveries were looked at. Relays take the oldest first, so they are done once a later push
 * is built.
 */
async function lookedAtAll(): Promise<void> {
  const { id } = await send(await scenario('active'));
  await expect.poll(() => reasonOf(id), soon).toBe('builds_created');
  // On Postgres another relay can still hold an earlier row. The lock waits for it.
  await database.write((trx) => trx('deliveries').forUpdate().select('id'));
}

const syncsAskedFor = () => database.reader('commands').where({ workflow: 'syncInstallations' });
const forgetSyncs = () => database.write((trx) => trx('commands').where({ workflow: 'syncInstallations' }).delete());

test.for(['suspended', 'disconnected'] as const)(
  'holds a push until the sync that it requests if its integration was last known as %s',
  async (status) => {
    const of = await scenario(status);
    await forgetSyncs();
    const { id } = await send(of);
    await expect.poll(syncsAskedFor).toHaveLength(1);
    expect(await rowOf(id)).toMatchObject({ status: 'received' });
    expect(await decisionsOf(id)).toEqual([]);
    await of.setStatus('active');
    await expect.poll(() => reasonOf(id), soon).toBe('builds_created');
    expect(await buildsOf(id)).toHaveLength(1);
  },
);

test('lets a push of an unclaimed installation wait until it is claimed', async () => {
  const installationId = await rows.installation(githubAppId, 101);
  const repositoryId = await rows.repository({ githubAppId, installationId, externalId: 102 });
  const { id } = await send({ installation: 101, repository: 102 });
  await lookedAtAll();
  expect(await rowOf(id)).toMatchObject({ status: 'received' });
  const of = await world(database, { owner: mine, on: { githubAppId, installationId, repositoryId } });
  await of.newPipeline();
  await expect.poll(() => reasonOf(id), soon).toBe('builds_created');
});

test('does not hold up a healthy integration because of another one', async () => {
  const of = await scenario('active');
  const other = await world(database, { on: of, integration: { status: 'suspended' } });
  const appId = await rows.app({ ...mine, integrationId: other.integrationId, repositoryId: of.repositoryId });
  await rows.pipeline({ ...mine, appId });
  const { id } = await send(of);
  await expect.poll(() => reasonOf(id), { timeout: 1_500, interval: 20 }).toBe('builds_created');
});

test('stores the reason if nothing changes in time, retries after a redelivery, and builds once', async () => {
  const of = await scenario('suspended');
  const { id, guid } = await send(of);
  await expect.poll(() => reasonOf(id), soon).toBe('integration_suspended');
  expect(await decisionsOf(id)).toEqual([{ outcome: 'skipped', reason: 'integration_suspended' }]);

  // Nothing has changed since, so the redelivery waits again.
  await forgetSyncs();
  expect(await send(of, guid)).toMatchObject({ id, duplicate: true });
  // The relay reads it and asks for a sync.
  await expect.poll(syncsAskedFor, soon).toHaveLength(1);
  expect(await rowOf(id)).toMatchObject({ status: 'received' });
  await of.setStatus('active');
  await expect.poll(() => reasonOf(id), soon).toBe('builds_created');
  expect(await decisionsOf(id)).toEqual([{ outcome: 'build', reason: 'matched' }]);

  // From now on the decision is final.
  await Promise.all([send(of, guid), send(of, guid), send(of, guid)]);
  await lookedAtAll();
  expect(await rowOf(id)).toMatchObject({ status: 'processed', reason: 'builds_created' });
  expect(await buildsOf(id)).toHaveLength(1);
});

test('makes one build of many simultaneous redeliveries', async () => {
  const of = await scenario('suspended');
  const { id, guid } = await send(of);
  await expect.poll(() => reasonOf(id), soon).toBe('integration_suspended');
  await of.setStatus('active');
  await Promise.all(Array.from({ length: 20 }, () => send(of, guid)));
  await expect.poll(() => reasonOf(id), soon).toBe('builds_created');
  await lookedAtAll();
  expect(await buildsOf(id)).toHaveLength(1);
});

test('keeps ignoring a delivery whose reason a sync cannot change', async () => {
  const of = await scenario('reauth_required');
  const { id, guid } = await send(of);
  await expect.poll(() => reasonOf(id), soon).toBe('integration_reauth_required');
  await of.setStatus('active');
  await send(of, guid);
  await lookedAtAll();
  expect(await rowOf(id)).toMatchObject({ status: 'ignored', reason: 'integration_reauth_required' });
});
