import { afterAll, beforeAll, expect, test } from 'vitest';
import { allBuilds } from '../support/platform.ts';
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
  // Between the decision to send and the request there is one moment after which nobody can know whether a run was
  // asked for, and such a build is held for a person. No token, no sending: every kill lands before that moment.
  scene.github.faults.add({ method: 'POST', path: /\/access_tokens$/, kind: 'status', status: 503, retryAfter: 2 });
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
    scene.forgetLog();
    await product.start();
  }
  expect(scene.dispatched()).toEqual([]);
  scene.github.faults.clear();
  await expect
    .poll(() => acknowledged.filter((sha) => !scene.dispatched().includes(sha)), { timeout: 60_000, interval: 200 })
    .toEqual([]);
  // What was not acknowledged may have been taken in all the same; nothing comes twice.
  const builds = await allBuilds(product.client);
  await expect.poll(() => scene.dispatched().length, { timeout: 60_000 }).toBe(builds.length);
  expect(new Set(builds.map(({ sha }) => sha)).size).toBe(builds.length);
  expect([...scene.dispatchedBuilds()].sort()).toEqual(builds.map(({ id }) => id).sort());
}, 180_000);
