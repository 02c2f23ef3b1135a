import { randomBytes, randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deliveryQueue } from '../../../db/deliveries/delivery-queue.ts';
import { largeBodiesIn } from '../../../db/deliveries/large-bodies.ts';
import { storeDeliveries } from '../../../db/deliveries/store-deliveries.ts';
import { createPurge } from '../../../db/purge.ts';
import { idAt, newId } from '../../../domain/ids.ts';
import { startApi, type TestApi } from '../../support/api.ts';
import { addGithubApp, hookHeaders, sign } from '../../support/hooks.ts';

const secret = 'a webhook secret of the test';
const megabyte = 1024 * 1024;
const [ours, theirs] = [4242, 77];

let api: TestApi;
let githubAppId: string;
beforeAll(async () => {
  api = await startApi({ webhooks: { bounds: { maxBytes: 40 * megabyte } } });
  githubAppId = (await addGithubApp(api.database, { appId: ours, secret })).id;
  await addGithubApp(api.database, { appId: theirs, secret });
});
afterAll(() => api.stop());

const bodyOf = (bytes: number) => Buffer.from(JSON.stringify({ text: randomBytes(bytes / 2).toString('hex') }));

async function post(body: Buffer, appId = ours, guid?: string): Promise<{ status: number; id: string }> {
  const headers = hookHeaders({ appId, event: 'push', signature: sign(secret, body) });
  const response = await fetch(api.hookUrl, {
    method: 'POST',
    body: new Uint8Array(body),
    headers: { ...headers, ...(guid && { 'x-github-delivery': guid }) },
  });
  const { delivery_id: id } = (await response.json()) as { delivery_id: string };
  return { status: response.status, id };
}

/** Lets nothing be stored until the returned function is called. */
function holdStore(): () => void {
  const released = new EventEmitter();
  const end = once(released, 'end');
  api.database
    .write(async (trx) => {
      if (api.database.dialect === 'postgres') await trx.raw('lock table large_body_parts in exclusive mode');
      await end;
    })
    .catch(() => {});
  return () => void released.emit('end');
}

const queue = () => deliveryQueue(api.database.reader);
const parts = () => api.database.reader('large_body_parts');

test('stores a large body unchanged, and records its size', async () => {
  const body = bodyOf(5 * megabyte);
  const { status, id } = await post(body);
  expect(status).toBe(202);
  expect((await queue().body(id))?.equals(body)).toBe(true);
  expect(await api.database.reader('deliveries').where({ id }).first()).toMatchObject({ size: body.length });
  expect(await api.database.reader('delivery_bodies').where({ delivery_id: id })).toEqual([]);
  const stored = await parts().where({ delivery_id: id });
  expect(stored.length).toBeGreaterThan(5);
  expect(Math.max(...stored.map(({ bytes }) => bytes.length))).toBeLessThan(megabyte);
});

test('stores small webhooks while it stores a large one', async () => {
  let isLargeStored = false;
  const large = post(bodyOf(12 * megabyte)).then(() => {
    isLargeStored = true;
  });
  await expect.poll(async () => (await parts().where({ part: 2 })).length).toBeGreaterThan(0);
  let small = 0;
  while (!isLargeStored) {
    expect((await post(bodyOf(1_000))).status).toBe(202);
    if (!isLargeStored) small += 1;
  }
  await large;
  expect(small).toBeGreaterThan(5);
});

test('GitHub Apps take turns with large bodies', async () => {
  const order: number[] = [];
  const send = (appId: number) => post(bodyOf(1.2 * megabyte), appId).then(() => order.push(appId));
  const release = holdStore();
  const first = Array.from({ length: 4 }, () => send(ours));
  await sleep(1_000);
  const last = send(theirs);
  await sleep(1_000);
  release();
  await Promise.all([...first, last]);
  expect(order.indexOf(theirs)).toBeLessThan(3);
});

test('limits one GitHub App to half of the room, and still accepts bodies of another', async () => {
  const release = holdStore();
  const sent = [...Array.from({ length: 4 }, () => post(bodyOf(8 * megabyte))), post(bodyOf(8 * megabyte), theirs)];
  // Two of them are refused once all have arrived.
  const first = await Promise.race([...sent, sleep(10_000, { status: 0 })]);
  expect(first.status).toBe(503);
  await sleep(2_000);
  release();
  const answers = await Promise.all(sent);
  const statuses = answers.map(({ status }) => status);
  expect(statuses.slice(0, 4).sort()).toEqual([202, 202, 503, 503]);
  expect(statuses[4]).toBe(202);
});

test('stores a large body once, however often it is sent', async () => {
  const before = (await parts().distinct('delivery_id')).length;
  const body = bodyOf(3 * megabyte);
  const answers = await Promise.all(Array.from({ length: 5 }, () => post(body)));
  expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
  expect((await parts().distinct('delivery_id')).length).toBe(before + 1);
});

test('stores a large body again if the first one is gone and the delivery can be decided again', async () => {
  const body = bodyOf(2 * megabyte);
  const guid = randomUUID();
  const { id } = await post(body, ours, guid);
  await api.database.write(async (trx) => {
    await trx('large_body_parts').where({ delivery_id: id, part: 1 }).delete();
    await trx('deliveries').where({ id }).update({ status: 'failed', reason: 'body_missing' });
  });
  expect(await queue().body(id)).toBeUndefined();
  expect(await post(body, ours, guid)).toEqual({ status: 202, id });
  expect((await queue().body(id))?.equals(body)).toBe(true);
  expect(await api.database.reader('deliveries').where({ id }).first()).toMatchObject({ status: 'received' });
});

test('deletes only parts that have had no delivery for an hour', async () => {
  const longAgo = Date.now() - 3_700_000;
  const [old, stored, young] = [idAt('dlv', longAgo), idAt('dlv', longAgo + 1), newId('dlv')];
  await api.database.write(async (trx) => {
    for (const one of [old, stored, young]) await largeBodiesIn(trx).addPart(one, 0, Buffer.from('part'));
    const identity = { githubAppId, providerDeliveryId: randomUUID(), event: 'push', contentKey: null, headers: {} };
    await storeDeliveries(trx, [{ ...identity, body: Buffer.alloc(0), storedAs: { id: stored, size: 4 } }]);
  });
  const purge = createPurge(api.database);
  while (await purge());
  const left: string[] = await parts().distinct('delivery_id').pluck('delivery_id');
  expect(left).toEqual(expect.arrayContaining([stored, young]));
  expect(left).not.toContain(old);
});
