import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { followLogs } from '../../activities/recovery/follow-log.ts';
import { deliveryLogIn } from '../../db/delivery-log.ts';
import { addOperatorApp, brokerTo } from '../support/operator-app.ts';
import { minute, type RecoveryScene, startRecoveryScene } from './recovery-scene.ts';

let scene: RecoveryScene;
beforeEach(async () => {
  scene = await startRecoveryScene();
});
afterEach(() => scene?.end());

test('of several processes one reads a log at a time, and an App that cannot be read holds up no other', async () => {
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

test('a log that cannot be read is left alone for a while, for as long as GitHub says', async () => {
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

test('many that are here already cost one request each time', async () => {
  const { database, github, githubAppId, push, asked, follow } = scene;
  for (let at = 0; at < 250; at += 1) await push();
  // They came five minutes ago.
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
])('with our clock %s GitHub’s nothing is overlooked', async (_, minutes) => {
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

test('a watermark of a clock that was ahead is taken back', async () => {
  const { database, githubAppId, push, rows, watermark, follow } = scene;
  await database.write((trx) => deliveryLogIn(trx).advance(githubAppId, Date.now() + 30 * minute));
  await push();
  await follow(0);
  expect((await rows()).length).toBe(1);
  expect(await watermark()).toBeLessThan(Date.now());
});

test('a log that never ends takes nobody’s turn', async () => {
  const { database, github, theirs } = scene;
  let requests = 0;
  const server = createServer((_, response) => {
    requests += 1;
    const attempt = {
      id: 1,
      guid: '00000000-0000-4000-8000-000000000000',
      delivered_at: new Date().toISOString(),
      redelivery: false,
      status_code: 502,
      event: 'push',
    };
    const link = `<http://elsewhere.example/?cursor=${requests}>; rel="next"`;
    response.writeHead(200, { 'content-type': 'application/json', link }).end(JSON.stringify([attempt]));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close().closeAllConnections());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const endless = { ...github, url, apiUrl: url };
  await addOperatorApp(database, endless, { hostUrl: url, theirs });
  const broker = brokerTo(database, github, endless);
  await followLogs({ database, broker, reachable: false }, { everyMs: 5_000, onTrouble: () => {} });
  expect(requests).toBeGreaterThan(100);
  expect(requests).toBeLessThan(400);
});
