import { randomUUID } from 'node:crypto';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { deliveryLogIn } from '../../../db/deliveries/delivery-log.ts';
import { largeBodiesIn } from '../../../db/deliveries/large-bodies.ts';
import { armFailedDeliveries, type NewDelivery, storeDeliveries } from '../../../db/deliveries/store-deliveries.ts';
import type { Transaction } from '../../../db/store/connection.ts';
import { newId } from '../../../domain/ids.ts';
import { createRelay, type Relay } from '../../../worker/relay/relay.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { createFakeTemporal } from '../../support/fakes/fake-temporal.ts';
import { silent } from '../../support/hooks.ts';
import { type World, world } from '../../support/scenes/world.ts';

const sha = 'a'.repeat(40);
const bytesPerPart = 100_000;

let database: TestDatabase;
let here: World;
let relay: Relay;

beforeEach(async () => {
  database = await openTestDatabase();
  here = await world(database);
  await here.newPipeline();
  const temporal = createFakeTemporal().starter;
  relay = createRelay({ database, temporal, logger: silent, registry: new Registry(), patienceMs: 0 });
});
afterEach(async () => {
  await relay.stop();
  await database.drop();
});

const write = <Result>(work: (trx: Transaction) => Promise<Result>) => database.write(work);

function pushOf(changes: Partial<NewDelivery> = {}, message = 'Fix the roof'): NewDelivery {
  const payload = {
    ref: 'refs/heads/main',
    before: '0'.repeat(40),
    after: sha,
    head_commit: { id: sha, message },
    repository: { id: here.repository },
    installation: { id: here.installation },
  };
  return {
    githubAppId: here.githubAppId,
    providerDeliveryId: randomUUID(),
    event: 'push',
    contentKey: null,
    headers: {},
    body: Buffer.from(JSON.stringify(payload)),
    ...changes,
  };
}

async function store(delivery: NewDelivery): Promise<string> {
  const [stored] = await write((trx) => storeDeliveries(trx, [delivery]));
  return stored?.id ?? '';
}

/** Stores the body in parts first, as the intake does with a body of 1 MB or more. */
async function inParts(delivery: NewDelivery): Promise<NewDelivery> {
  const id = newId('dlv');
  const { body } = delivery;
  for (let part = 0; part * bytesPerPart < body.length; part += 1) {
    const bytes = body.subarray(part * bytesPerPart, (part + 1) * bytesPerPart);
    await write((trx) => largeBodiesIn(trx).addPart(id, part, bytes));
  }
  return { ...delivery, body: Buffer.alloc(0), storedAs: { id, size: body.length } };
}

const find = (id: string) => database.reader('deliveries').where({ id }).first();

async function outcomeOf(id: string): Promise<string> {
  await expect.poll(async () => (await find(id))?.status, { timeout: 5_000, interval: 10 }).not.toBe('received');
  const row = await find(id);
  return `${row?.status}: ${row?.reason}`;
}

const largeMessage = 'x'.repeat(350_000);

test('a webhook whose body is not stored fails as body_missing', async () => {
  const id = await store(pushOf());
  const ignored = await store(pushOf({ event: 'star' }));
  await write((trx) => trx('delivery_bodies').whereIn('delivery_id', [id, ignored]).delete());
  await relay.start();
  expect(await outcomeOf(id)).toBe('failed: body_missing');
  expect(await outcomeOf(ignored)).toBe('ignored: event_not_consumed');
  expect(await database.reader('decisions')).toEqual([]);
});

test('a large body with a missing part fails as body_missing, and an empty one as payload_malformed', async () => {
  const id = await store(await inParts(pushOf({}, largeMessage)));
  await write((trx) => trx('large_body_parts').where({ delivery_id: id, part: 1 }).delete());
  const empty = await store(pushOf({ body: Buffer.alloc(0) }));
  await relay.start();
  expect(await outcomeOf(id)).toBe('failed: body_missing');
  expect(await outcomeOf(empty)).toBe('failed: payload_malformed');
});

test('decides a redelivery with its new body, in place of the missing one', async () => {
  const small = pushOf({ contentKey: 'one' });
  const large = pushOf({ contentKey: 'two' }, largeMessage);
  const ids = [await store(small), await store(await inParts(large))];
  await write((trx) => trx('delivery_bodies').delete());
  await write((trx) => trx('large_body_parts').where({ part: 2 }).delete());
  await relay.start();
  for (const id of ids) expect(await outcomeOf(id)).toBe('failed: body_missing');

  expect([await store(small), await store(await inParts(large))]).toEqual(ids);
  for (const id of ids) expect(await outcomeOf(id)).toBe('processed: builds_created');
  expect(await database.reader('builds')).toHaveLength(2);
  expect(await database.reader('large_body_parts').distinct('delivery_id').pluck('delivery_id')).toEqual([ids[1]]);
});

test('decides a redelivery of a failed webhook whose body was deleted because of its age', async () => {
  const delivery = pushOf();
  const id = await store(delivery);
  await write((trx) => trx('delivery_bodies').delete());
  const failed = { status: 'failed' as const, reason: 'decision_failed', body_removed_at: Date.now() };
  await write((trx) => trx('deliveries').where({ id }).update(failed));
  await relay.start();
  await store(delivery);
  expect(await outcomeOf(id)).toBe('processed: builds_created');
  expect(await find(id)).toMatchObject({ body_removed_at: null });
});

test('does not accept another body in place of the missing one', async () => {
  const delivery = pushOf({ contentKey: 'the signature of the first' });
  const id = await store(delivery);
  await write((trx) => trx('delivery_bodies').delete());
  await relay.start();
  expect(await outcomeOf(id)).toBe('failed: body_missing');
  await store({ ...delivery, contentKey: 'another signature' });
  expect(await outcomeOf(id)).toBe('failed: body_missing');
  expect(await database.reader('delivery_bodies')).toEqual([]);
});

test('the recovery fetches a failed webhook without a body again, and does not decide it from the store', async () => {
  const [first, second] = [pushOf(), pushOf()];
  const [missing, removed, stored] = [await store(first), await store(second), await store(pushOf())];
  await write((trx) => trx('deliveries').update({ status: 'failed', reason: 'decision_failed', decided_at: 1 }));
  await write((trx) => trx('deliveries').where({ id: missing }).update({ reason: 'body_missing' }));
  await write((trx) => trx('deliveries').where({ id: removed }).update({ body_removed_at: 1 }));
  const guids = await database.reader('deliveries').pluck('provider_delivery_id');
  const known = await deliveryLogIn(database.reader).known(here.githubAppId, guids);
  expect([...known.keys()]).toEqual([(await find(stored))?.provider_delivery_id]);
  expect(await write((trx) => armFailedDeliveries(trx, here.githubAppId, guids))).toBe(1);
  expect(await find(stored)).toMatchObject({ status: 'received' });
});
