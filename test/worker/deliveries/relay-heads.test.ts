import { randomUUID } from 'node:crypto';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { refHeadsIn } from '../../../db/deliveries/ref-heads.ts';
import { storeDeliveries } from '../../../db/deliveries/store-deliveries.ts';
import type { DeliveryOrigin } from '../../../domain/deliveries/delivery-status.ts';
import { createRelay, type Relay } from '../../../worker/relay/relay.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { createFakeTemporal } from '../../support/fakes/fake-temporal.ts';
import { addGithubApp, silent } from '../../support/hooks.ts';
import { type World, world } from '../../support/scenes/world.ts';

const [w, x, y] = ['e', 'a', 'b'].map((letter) => letter.repeat(40)) as [string, string, string];
const hour = 3600;

let database: TestDatabase;
let relay: Relay;
let githubAppId: string;
let of: World;
/** In seconds, like GitHub's times. */
let now: number;

beforeAll(async () => {
  database = await openTestDatabase();
  githubAppId = (await addGithubApp(database, { appId: 1, secret: 'secret of the test' })).id;
  const temporal = createFakeTemporal();
  relay = createRelay({ database, temporal: temporal.starter, logger: silent, registry: new Registry() });
  await relay.start();
});
afterAll(async () => {
  await relay.stop();
  await database.drop();
});

/** Creates a repository with one pipeline that builds every branch. */
beforeEach(async () => {
  of = await world(database, { githubAppId });
  await of.newPipeline();
  now = Math.floor(Date.now() / 1000);
});

type Push = { after: string; at?: number; origin?: DeliveryOrigin; ref?: string; deleted?: boolean };

/** Sends a push and returns its result. */
async function push({ after, at = now, origin = 'webhook', ref = 'refs/heads/main', deleted = false }: Push) {
  const payload = {
    ref,
    before: w,
    after,
    created: false,
    deleted,
    forced: false,
    head_commit: deleted ? null : { id: after, message: 'Fix the roof' },
    repository: { id: of.repository, pushed_at: at },
    installation: { id: of.installation },
  };
  const body = Buffer.from(JSON.stringify(payload));
  const providerDeliveryId = randomUUID();
  const delivery = { githubAppId, providerDeliveryId, event: 'push', contentKey: null, headers: {}, body, origin };
  const [stored] = await database.write((trx) => storeDeliveries(trx, [delivery]));
  const find = () =>
    database
      .reader('deliveries')
      .where({ id: stored?.id ?? '' })
      .first();
  await expect.poll(async () => (await find())?.status, { timeout: 5_000, interval: 10 }).not.toBe('received');
  return (await find())?.reason;
}

const head = async (ref = 'refs/heads/main') =>
  (await refHeadsIn(database.reader).list(of.repositoryId)).find((one) => one.ref === ref);

test('stores the branch’s commit after a push, and ignores an earlier push that comes later', async () => {
  expect(await push({ after: x })).toBe('builds_created');
  expect(await head()).toMatchObject({ sha: x, origin: 'webhook', pushedAt: now * 1000 });
  // The earlier push is decided too, because it was pushed.
  expect(await push({ after: w, at: now - 60 })).toBe('builds_created');
  expect(await head()).toMatchObject({ sha: x });
  expect(await push({ after: y, at: now + 5 })).toBe('builds_created');
  expect(await head()).toMatchObject({ sha: y });
});

test('stores neither tags nor deleted branches', async () => {
  await push({ after: x, ref: 'refs/tags/v1' });
  expect(await head('refs/tags/v1')).toBeUndefined();
  await push({ after: x });
  await push({ after: '0'.repeat(40), deleted: true, at: now + 1 });
  expect(await head()).toBeUndefined();
});

test('keeps a newer push when a deletion comes late', async () => {
  await push({ after: x });
  await push({ after: y, at: now + 20 });
  await push({ after: '0'.repeat(40), deleted: true, at: now + 10 });
  expect(await head()).toMatchObject({ sha: y, pushedAt: (now + 20) * 1000 });
});

test('builds a branch that was deleted and comes back with a detected commit', async () => {
  await push({ after: w, at: now - 100 * hour });
  expect(await push({ after: x, origin: 'synthetic' })).toBe('builds_created');
  await push({ after: '0'.repeat(40), deleted: true, at: now + 100 });
  expect(await push({ after: x, at: now + 200 })).toBe('builds_created');
  expect(await head()).toMatchObject({ sha: x, origin: 'webhook' });
});

test('counts two pushes of the same commit by GitHub as two', async () => {
  expect(await push({ after: x })).toBe('builds_created');
  expect(await push({ after: x, at: now + 10 })).toBe('builds_created');
});

test('builds a detected commit once although GitHub reports it later', async () => {
  expect(await push({ after: w, at: now - 100 * hour })).toBe('builds_created');
  expect(await push({ after: x, origin: 'synthetic' })).toBe('builds_created');
  expect(await push({ after: x, origin: 'synthetic' })).toBe('head_already_decided');
  expect(await push({ after: x, at: now - 90 * hour })).toBe('head_already_decided');
  expect(await push({ after: x, at: now - 90 * hour, origin: 'pulled' })).toBe('head_already_decided');
});

test('does so even if GitHub’s clock is far ahead', async () => {
  await push({ after: w, at: now - 100 * hour });
  await push({ after: x, origin: 'synthetic' });
  expect(await push({ after: x, at: now + hour })).toBe('head_already_decided');
});

test('does so even after the branch moved on, but builds a return to that commit', async () => {
  await push({ after: w, at: now - 100 * hour });
  await push({ after: x, origin: 'synthetic' });
  expect(await push({ after: y, at: now + 200 })).toBe('builds_created');
  expect(await push({ after: x, at: now - 90 * hour })).toBe('head_already_decided');
  expect(await push({ after: x, at: now + 300 })).toBe('builds_created');
  expect(await push({ after: x, at: now + 400 })).toBe('builds_created');
});

test('ignores a detected commit if GitHub reported it or a later push before', async () => {
  expect(await push({ after: x })).toBe('builds_created');
  expect(await push({ after: x, origin: 'synthetic', at: now + 5 })).toBe('head_already_decided');
  expect(await push({ after: y, at: now + 10 })).toBe('builds_created');
  // Fairlead read the head just before.
  expect(await push({ after: w, origin: 'synthetic', at: now + 5 })).toBe('head_already_decided');
  expect(await head()).toMatchObject({ sha: y, origin: 'webhook' });
});

test('makes one build of a detected commit and GitHub’s simultaneous push of it', async () => {
  await push({ after: w, at: now - 100 * hour });
  const reasons = await Promise.all([push({ after: x, origin: 'synthetic' }), push({ after: x, at: now - 1 })]);
  expect(reasons.sort()).toEqual(['builds_created', 'head_already_decided']);
});
