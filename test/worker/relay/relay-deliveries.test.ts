import { randomUUID } from 'node:crypto';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { DeliveryOutcome, PendingDelivery } from '../../../db/deliveries/delivery-queue.ts';
import { storeDeliveries } from '../../../db/deliveries/store-deliveries.ts';
import type { Database, Transaction } from '../../../db/store/connection.ts';
import type { Decided } from '../../../worker/deliveries/decide-pipelines.ts';
import { createDeliveryWork, type Decider } from '../../../worker/relay/deliveries.ts';
import { startLoop } from '../../../worker/relay/loop.ts';
import { createRelayMetrics } from '../../../worker/relay/relay-metrics.ts';
import { connectAgain, openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { addGithubApp, silent } from '../../support/hooks.ts';
import { postgresUrl } from '../../support/programs/postgres-server.ts';

let database: TestDatabase;
let githubAppId: string;
let stops: (() => Promise<unknown>)[];
beforeEach(async () => {
  database = await openTestDatabase();
  stops = [];
  githubAppId = (await addGithubApp(database, { appId: 1, secret: 'secret of the test' })).id;
});
afterEach(async () => {
  for (const stop of stops.reverse()) await stop();
  await database.drop();
});

const receive = (...bodies: (string | Buffer)[]) => receiveFor(githubAppId, ...bodies);

async function receiveFor(githubAppId: string, ...bodies: (string | Buffer)[]): Promise<string[]> {
  const deliveries = bodies.map((body) => ({
    githubAppId,
    providerDeliveryId: randomUUID(),
    event: 'push',
    contentKey: null,
    headers: {},
    body: Buffer.from(body),
  }));
  const stored = await database.write((trx) => storeDeliveries(trx, deliveries));
  return stored.map(({ id }) => id);
}

type Decide = (trx: Transaction, delivery: PendingDelivery & { body: string }) => Promise<Decided>;
const source = { needsBody: () => true, read: (_: string, body: Buffer) => body.toString() };

function decideWith(decide: Decide, { on = database, ...given }: Given = {}) {
  const decider: Decider<string> = (trx) => (delivery, body) => decide(trx, { ...delivery, body });
  const metrics = createRelayMetrics(new Registry());
  const work = createDeliveryWork({
    ...{ database: on, source, decider, metrics, logger: silent, firstRestMs: 50 },
    ...given,
  });
  const loop = startLoop({ name: 'deliveries', everyMs: 50, work, logger: silent });
  const unhear = on.onWake('deliveries', loop.wake);
  stops.push(async () => {
    unhear();
    await loop.stop();
  });
}

type Given = { on?: Database } & Partial<
  Pick<Parameters<typeof createDeliveryWork<string>>[0], 'source' | 'lookAgainMs'>
>;

const processed: DeliveryOutcome = { status: 'processed', reason: 'test' };

async function countByStatus(): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { status } of await database.reader('deliveries')) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

test('decides everything once, oldest first, including deliveries from before its start', async () => {
  const seen: string[] = [];
  const decide: Decide = async (_, { body }) => {
    seen.push(body.toString());
    return processed;
  };
  await receive('0', '1', '2');
  decideWith(decide);
  for (let n = 3; n < 60; n += 3) await receive(`${n}`, `${n + 1}`, `${n + 2}`);
  await expect.poll(countByStatus).toEqual({ processed: 60 });
  expect(seen).toEqual(Array.from({ length: 60 }, (_, n) => `${n}`));
});

test('gives up a delivery after five attempts and decides the others of its batch', async () => {
  let tries = 0;
  decideWith(async (trx, { id, body }) => {
    // When a decision fails, the database rolls back what it has written.
    await trx('instance').insert({ key: `decided ${id}`, value: '' });
    if (body.toString() !== 'poison') return processed;
    tries += 1;
    throw new TypeError('this one is poison');
  });
  const [, poison] = await receive('good', 'poison', 'good', 'good');
  await expect.poll(countByStatus).toMatchObject({ processed: 3 });
  await receive('later');
  await expect.poll(countByStatus).toMatchObject({ processed: 4, received: 1 });
  await expect.poll(countByStatus, { timeout: 5_000 }).toEqual({ processed: 4, failed: 1 });
  const row = await database
    .reader('deliveries')
    .where({ id: poison ?? '' })
    .first();
  expect(row).toMatchObject({ status: 'failed', reason: 'decision_failed', attempts: 5 });
  // The delivery is tried once in its batch, then five times alone.
  expect(tries).toBe(6);
  expect(await database.reader('instance').where('key', 'like', 'decided %')).toHaveLength(4);
});

test('does not count failures of the database against a delivery', async () => {
  let tries = 0;
  decideWith(async () => {
    tries += 1;
    if (tries <= 8) throw Object.assign(new Error('deadlock detected'), { code: '40P01' });
    return processed;
  });
  await receive('unlucky');
  await expect.poll(countByStatus, { timeout: 20_000 }).toEqual({ processed: 1 });
  expect((await database.reader('deliveries').first())?.attempts).toBe(0);
});

test('decides other deliveries while a large body is read, and reads it once', async () => {
  const seen: string[] = [];
  const read: string[] = [];
  let finish = () => {};
  const large = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const slow = {
    needsBody: () => true,
    async read(_: string, body: Buffer) {
      const name = body.length > 100 ? 'large' : body.toString();
      read.push(name);
      if (name === 'large') await large;
      return name;
    },
  };
  await receive(Buffer.alloc(300_000, 'x'), 'before');
  decideWith(
    async (_, { body }) => {
      seen.push(body);
      return processed;
    },
    { source: slow },
  );
  await expect.poll(() => seen).toEqual(['before']);
  await receive('after');
  await expect.poll(() => seen).toEqual(['before', 'after']);
  finish();
  await expect.poll(() => seen).toEqual(['before', 'after', 'large']);
  expect(read.sort()).toEqual(['after', 'before', 'large']);
});

test('does not read the body of an event that needs none', async () => {
  const bodies: string[] = [];
  const idle = { needsBody: () => false, read: (_: string, body: Buffer | undefined) => body?.toString() ?? 'none' };
  decideWith(
    async (_, { body }) => {
      bodies.push(body);
      return processed;
    },
    { source: idle },
  );
  await receive('small', Buffer.alloc(300_000, 'x'));
  await expect.poll(countByStatus).toEqual({ processed: 2 });
  expect(bodies).toEqual(['none', 'none']);
});

test('gives every GitHub App a share of the next batch, even if one has many deliveries', async () => {
  const other = await addGithubApp(database, { appId: 2, secret: 'another secret of the test' });
  await receive(...Array.from({ length: 450 }, (_, n) => `${n}`));
  const [late] = await receiveFor(other.id, 'late');
  const order: string[] = [];
  decideWith(async (_, { id }) => {
    order.push(id);
    return processed;
  });
  await expect.poll(() => order.includes(late ?? ''), { timeout: 10_000 }).toBe(true);
  expect(order.indexOf(late ?? '')).toBeLessThan(200);
});

test('reads the body of a waiting delivery once', async () => {
  let looks = 0;
  const read: string[] = [];
  const counting = {
    needsBody: () => true,
    read(_: string, body: Buffer) {
      read.push(body.toString());
      return body.toString();
    },
  };
  decideWith(
    async () => {
      looks += 1;
      return looks < 3 ? { ...processed, overtakes: { installation: 'one', isBound: true } } : processed;
    },
    { source: counting, lookAgainMs: 50 },
  );
  await receive('waits');
  await expect.poll(countByStatus, { timeout: 5_000 }).toEqual({ processed: 1 });
  expect({ looks, read }).toEqual({ looks: 3, read: ['waits'] });
});

test('shares the deliveries among several relays, and decides each once', async () => {
  await receive(...Array.from({ length: 200 }, (_, n) => `${n}`));
  for (let n = 0; n < 3; n++) {
    // On Postgres each relay has its own connections, like separate processes. SQLite has only one process.
    const other = postgresUrl ? connectAgain(database.source) : database;
    if (other !== database) stops.push(() => other.close());
    decideWith(
      async (trx, { id }) => {
        await trx('instance').insert({ key: `decided ${id}`, value: '' });
        return processed;
      },
      { on: other },
    );
  }
  await expect.poll(countByStatus, { timeout: 20_000 }).toEqual({ processed: 200 });
  expect(await database.reader('instance').where('key', 'like', 'decided %')).toHaveLength(200);
});

test('cuts a slow batch short, so that others can use the database', async () => {
  const decideSlowly: Decide = async () => {
    await new Promise((resolve) => setTimeout(resolve, 100));
    return processed;
  };
  await receive(...Array.from({ length: 12 }, (_, n) => `${n}`));
  decideWith(decideSlowly);
  await expect.poll(countByStatus, { timeout: 10_000 }).toEqual({ processed: 12 });
  // Each transaction stores the time of its decisions.
  const moments = await database.reader('deliveries').distinct('decided_at');
  expect(moments.length).toBeGreaterThanOrEqual(3);
});
