import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type AllInOne,
  bind,
  type Scene,
  startAllInOne,
  startOwnTemporal,
  startScene,
} from '../support/programs/product.ts';
import { allBuilds } from '../support/scenes/platform.ts';

let scene: Scene;
let temporal: Awaited<ReturnType<typeof startOwnTemporal>>;
let product: AllInOne;

beforeAll(async () => {
  [scene, temporal] = await Promise.all([startScene(), startOwnTemporal()]);
  scene.github.autoRuns = true;
  product = await startAllInOne({ ...scene, temporalAddress: temporal.address });
  await bind(scene, product.client);
}, 120_000);
afterAll(async () => {
  await product?.remove();
  await temporal?.remove();
  await scene?.github.close();
});

test('acknowledges 100 pushes during an outage of Temporal, and dispatches each once afterwards', async () => {
  await temporal.stop();
  const pushes = await Promise.all(Array.from({ length: 100 }, () => scene.push()));
  expect(pushes.filter(({ acknowledged }) => acknowledged)).toHaveLength(100);
  expect(scene.dispatched()).toEqual([]);

  await temporal.start();
  await expect.poll(() => new Set(scene.dispatched()).size, { timeout: 120_000, interval: 500 }).toBe(100);
  await expect
    .poll(() => allBuilds(product.client).then((all) => [...new Set(all.map(({ status }) => status))]), {
      timeout: 60_000,
      interval: 1000,
    })
    .toEqual(['succeeded']);
  expect([...scene.dispatched()].sort()).toEqual(pushes.map(({ sha }) => sha).sort());
  expect(new Set(scene.dispatchedBuilds()).size).toBe(100);
  expect(await allBuilds(product.client)).toHaveLength(100);
}, 200_000);
