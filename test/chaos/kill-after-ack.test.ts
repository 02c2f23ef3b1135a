import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AllInOne, bind, type Scene, startAllInOne, startOwnTemporal, startScene } from '../support/product.ts';

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

test('what was acknowledged right before a kill -9 is dispatched once, 50 times', async () => {
  const acknowledged: string[] = [];
  while (acknowledged.length < 50) {
    // Five at once, and the first 202 among them pulls the trigger.
    const round = Array.from({ length: Math.min(5, 50 - acknowledged.length) }, () => scene.push());
    await Promise.any(
      round.map(async (push) => {
        if (!(await push).acknowledged) throw new Error('not acknowledged');
      }),
    );
    await product.kill();
    for (const { sha, acknowledged: was } of await Promise.all(round)) if (was) acknowledged.push(sha);
    await product.start();
    // The next kill shall find nothing between the decision to send and the request, the one moment after which
    // nobody can know: such a build is held for a person.
    await expect
      .poll(() => acknowledged.filter((sha) => !scene.dispatched().includes(sha)), { timeout: 60_000, interval: 50 })
      .toEqual([]);
  }
  const dispatched = scene.dispatched();
  expect(dispatched).toEqual([...new Set(dispatched)]);
  expect(dispatched).toEqual(expect.arrayContaining(acknowledged));
  expect(new Set(scene.dispatchedBuilds()).size).toBe(dispatched.length);
}, 180_000);
