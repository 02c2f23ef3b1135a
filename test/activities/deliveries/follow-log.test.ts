import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { createLogFollower } from '../../../activities/deliveries/follow-log.ts';
import { deliveryLogIn } from '../../../db/deliveries/delivery-log.ts';
import { storeDeliveries } from '../../../db/deliveries/store-deliveries.ts';
import { addOperatorApp, brokerTo } from '../../support/scenes/operator-app.ts';
import { minute, type RecoveryScene, startRecoveryScene } from '../../support/scenes/recovery-scene.ts';

let scene: RecoveryScene;
beforeEach(async () => {
  scene = await startRecoveryScene();
});
afterEach(() => scene?.end());

test('only one process reads a log at a time, and an unreadable App does not delay others', async () => {
  const { database, github, push, rows, follow } = scene;
  await push();
  const broken = github.addApp();
  await addOperatorApp(database, github, { theirs: broken });
  github.state.apps.delete(broken.appId);
  const troubles: string[] = [];
  expect(
    (await Promise.all([follow(5_000, troubles), follow(5_000, troubles), follow(5_000, troubles)])).filter(Boolean)
      .length,
  ).toBe(1);
  expect(troubles.length).toBe(1);
  expect((await rows()).length).toBe(1);
  expect(await follow(5_000, troubles)).toBe(false);
});

test('an unreadable log waits as long as GitHub asks for', async () => {
  const { database, github, theirs, githubAppId, follow } = scene;
  const log = /^\/app\/hook\/deliveries/;
  const troubles: string[] = [];
  const everyMs = 5_000;
  const dueIn = async () =>
    ((await database.reader('delivery_watermarks').first())?.polled_at ?? 0) + everyMs - Date.now();
  const soon = () => database.write((trx) => trx('delivery_watermarks').update({ polled_at: 0 }));

  github.faults.add({ method: 'GET', path: log, kind: 'secondary_limit', retryAfter: 77, times: 1 });
  await follow(5_000, troubles);
  expect(await dueIn()).toBeGreaterThan(70_000);
  expect(await dueIn()).toBeLessThan(78_000);
  await follow(5_000, troubles);
  expect(troubles).toEqual([githubAppId]);

  await soon();
  github.faults.add({ method: 'GET', path: log, kind: 'status', status: 503, times: 1 });
  await follow(5_000, troubles);
  expect(await dueIn()).toBeGreaterThan(10_000);
  expect(await dueIn()).toBeLessThan(16_000);

  await soon();
  github.state.apps.delete(theirs.appId);
  await follow(5_000, troubles);
  expect(await dueIn()).toBeGreaterThan(200_000);
});

test('many known deliveries cost one request each time', async () => {
  const { database, github, githubAppId, push, asked, follow } = scene;
  for (let at = 0; at < 250; at += 1) await push();
  // They arrived five minutes ago.
  for (const delivery of github.state.deliveries) delivery.deliveredAt -= 5 * minute;
  await database.write((trx) => deliveryLogIn(trx).advance(githubAppId, Date.now() - 10 * minute));
  expect(await follow(0)).toBe(true);
  const pages = () => asked(/^\/app\/hook\/deliveries$/);
  const before = pages();
  expect(await follow(0)).toBe(false);
  expect(pages() - before).toBe(1);
});

test.each([
  ['ahead of', -15],
  ['behind', 15],
])('with a clock %s GitHub’s no delivery is missed', async (_, minutes) => {
  const { github, push, rows, watermark, follow } = scene;
  github.clock.skewMs = minutes * minute;
  for (let round = 1; round <= 3; round += 1) {
    await push();
    await follow(0);
    expect((await rows()).length).toBe(round);
    github.clock.skewMs += 4 * minute;
  }
  expect(await watermark()).toBeLessThan(Date.now() + github.clock.skewMs);
});

test('a watermark from a fast clock is corrected', async () => {
  const { database, githubAppId, push, rows, watermark, follow } = scene;
  await database.write((trx) => deliveryLogIn(trx).advance(githubAppId, Date.now() + 30 * minute));
  await push();
  await follow(0);
  expect((await rows()).length).toBe(1);
  expect(await watermark()).toBeLessThan(Date.now());
});

/** Starts a tenant's GitHub host that always returns another page with a new delivery. */
async function endless({ delayMs = 0, hang = false } = {}) {
  const { database, github, theirs } = scene;
  const asked: (string | null)[] = [];
  const server = createServer((request, response) => {
    asked.push(new URL(request.url ?? '/', 'http://x').searchParams.get('cursor'));
    if (hang) return;
    const attempt = {
      id: 1,
      guid: '00000000-0000-4000-8000-000000000000',
      delivered_at: new Date().toISOString(),
      redelivery: false,
      status_code: 502,
      event: 'push',
    };
    const link = `<http://elsewhere.example/?cursor=${asked.length}>; rel="next"`;
    const headers = { 'content-type': 'application/json', link };
    setTimeout(() => response.writeHead(200, headers).end(JSON.stringify([attempt])), delayMs);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close().closeAllConnections());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const host = { ...github, url, apiUrl: url };
  const { id } = await addOperatorApp(database, host, { hostUrl: url, theirs });
  // This delivery is already stored, so only pages are requested.
  const known = { providerDeliveryId: '00000000-0000-4000-8000-000000000000', event: 'push', contentKey: null };
  await database.write((trx) =>
    storeDeliveries(trx, [{ ...known, githubAppId: id, headers: {}, body: Buffer.from('{}') }]),
  );
  const broker = brokerTo(database, github, host);
  const follower = (limitMs = 8_000) =>
    createLogFollower({ database, broker, reachable: false }, { everyMs: 0, limitMs, onTrouble: () => {} });
  return { asked, follower };
}

test('each round reads a part of an endless log, and the next round continues from there', async () => {
  const { asked, follower } = await endless();
  const logs = follower();
  await Promise.all(await logs.round());
  expect(asked).toHaveLength(30);
  await Promise.all(await logs.round());
  expect(asked).toHaveLength(60);
  expect(asked[30]).toBe('30');
});

test('each round reads a slow log for a limited time, and makes progress', async () => {
  const { asked, follower } = await endless({ delayMs: 100 });
  const logs = follower(1_000);
  await Promise.all(await logs.round());
  expect(asked.length).toBeLessThan(8);
  const last = asked.length;
  await Promise.all(await logs.round());
  expect(asked[last]).toBe(String(last));
});

test('a log that does not respond delays neither the others nor the next round, and shutdown only briefly', async () => {
  const { push, rows } = scene;
  const { asked, follower } = await endless({ hang: true });
  const logs = follower();
  const guids = [await push()];
  const came = async () =>
    (await rows()).filter(({ origin }) => origin === 'pulled').map((row) => row.provider_delivery_id);
  const begun = await logs.round();
  expect(begun).toHaveLength(2);
  await expect.poll(came, { timeout: 3_000 }).toEqual(guids);
  guids.push(await push());
  // The App's reading ends shortly after its row is stored.
  await expect.poll(async () => (await logs.round()) && (await came()), { timeout: 3_000 }).toEqual(guids);
  expect(asked).toHaveLength(1);
  const before = Date.now();
  await logs.stop();
  expect(Date.now() - before).toBeLessThan(3_000);
  expect(await logs.round()).toEqual([]);
});
