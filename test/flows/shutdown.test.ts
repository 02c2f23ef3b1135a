import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type AllInOne,
  bind,
  type Scene,
  startAllInOne,
  startOwnTemporal,
  startScene,
} from '../support/programs/product.ts';

let scene: Scene;
let temporal: Awaited<ReturnType<typeof startOwnTemporal>>;
let product: AllInOne;

beforeAll(async () => {
  [scene, temporal] = await Promise.all([startScene(), startOwnTemporal()]);
  product = await startAllInOne({ ...scene, temporalAddress: temporal.address });
  await bind(scene, product.client);
}, 120_000);
afterAll(async () => {
  await product?.remove();
  await temporal?.remove();
  await scene?.github.close();
});

test('stops soon after SIGTERM under load, and loses no acknowledged delivery', async () => {
  const load: ReturnType<Scene['push']>[] = [];
  let sentAt = 0;
  let stopping: Promise<void> | undefined;
  for (let count = 0; count < 60; count += 1) {
    load.push(scene.push());
    if (count === 30) {
      sentAt = Date.now();
      stopping = product.stop();
    }
    await sleep(5);
  }
  const sent = await Promise.all(load);
  await stopping;
  // The senders keep their connections open, and the process does not wait for that.
  expect(Date.now() - sentAt).toBeLessThan(20_000);
  expect(await product.program().ended).toBe(0);
  const acknowledged = sent.filter((push) => push.acknowledged).map(({ sha }) => sha);
  expect(acknowledged.length).toBeGreaterThan(10);

  scene.forgetLog();
  await product.start();
  await expect
    .poll(() => acknowledged.filter((sha) => !scene.dispatched().includes(sha)), { timeout: 60_000 })
    .toEqual([]);
  expect(new Set(scene.dispatched()).size).toBe(scene.dispatched().length);
}, 120_000);
