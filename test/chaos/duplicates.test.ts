import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AllInOne, bind, type Scene, startAllInOne, startScene } from '../support/programs/product.ts';
import { listBuilds } from '../support/scenes/platform.ts';

let scene: Scene;
let product: AllInOne;

beforeAll(async () => {
  scene = await startScene();
  scene.github.autoRuns = true;
  product = await startAllInOne(scene);
  await bind(scene, product.client);
}, 120_000);
afterAll(async () => {
  await product?.remove();
  await scene?.github.close();
});

/** Waits until every stored delivery is decided and every build has ended. */
async function settled(): Promise<void> {
  await expect
    .poll(() => listBuilds(product.client).then((all) => [...new Set(all.map(({ status }) => status))]), {
      timeout: 30_000,
    })
    .toEqual(['succeeded']);
  await expect
    .poll(() => product.client.ask<{ status: string }[]>('GET', '/v1/deliveries?limit=200&status=received'), {
      timeout: 30_000,
    })
    .toEqual([]);
}

test('makes one build and one dispatch of a push that is sent 200 times', async () => {
  const { github, app, repository } = scene;
  const payload = github.push(repository, { ref: 'refs/heads/main' });
  const guid = randomUUID();
  const answers = await Promise.all(
    Array.from({ length: 200 }, () => github.sendWebhook({ app, event: 'push', payload, guid })),
  );
  expect([...new Set(answers.map(({ status }) => status))]).toEqual([202]);
  await expect.poll(() => scene.dispatched(), { timeout: 30_000 }).toEqual([payload['after']]);
  await settled();
  expect(scene.dispatched()).toEqual([payload['after']]);
  expect(await listBuilds(product.client)).toHaveLength(1);
}, 90_000);

test('makes one more build and dispatch of the same body under 50 new delivery IDs', async () => {
  const { github, app, repository } = scene;
  const before = scene.dispatched();
  const payload = github.push(repository, { ref: 'refs/heads/main' });
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => github.sendWebhook({ app, event: 'push', payload })),
  );
  expect([...new Set(answers.map(({ status }) => status))]).toEqual([202]);
  await expect.poll(() => scene.dispatched(), { timeout: 30_000 }).toEqual([...before, payload['after']]);
  await settled();
  expect(scene.dispatched()).toEqual([...before, payload['after']]);
  expect(await listBuilds(product.client)).toHaveLength(2);
}, 90_000);
