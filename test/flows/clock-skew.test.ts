import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AllInOne, bind, type Scene, startAllInOne, startScene } from '../support/programs/product.ts';
import { allBuilds } from '../support/scenes/platform.ts';

let scene: Scene;
let product: AllInOne;

/** How far GitHub's clock is ahead. Our clock is behind by as much. */
const setClock = (minutes: number) => {
  scene.github.clock.skewMs = minutes * 60_000;
};

beforeAll(async () => {
  scene = await startScene();
  scene.github.autoRuns = true;
  setClock(15);
  product = await startAllInOne(scene);
  await bind(scene, product.client);
}, 180_000);
afterAll(async () => {
  await product?.remove();
  await scene?.github.close();
});

const incidents = (status: string) =>
  product.client.ask<{ title: string }[]>('GET', `/v1/incidents?code=clock_skew&status=${status}`);
const ready = () => product.client.ask('GET', '/readyz');
const waiting = { timeout: 60_000, interval: 500 };

async function build(count: number): Promise<void> {
  expect((await scene.push()).acknowledged).toBe(true);
  const statuses = async () => (await allBuilds(product.client)).map((one) => one.status);
  await expect.poll(statuses, waiting).toEqual(Array(count).fill('succeeded'));
}

test('keeps building with a clock that is 15 minutes off, and reports it until it is right', async () => {
  await build(1);
  await expect
    .poll(() => incidents('open'), waiting)
    .toMatchObject([{ title: expect.stringMatching(/9\d\d s behind/) }]);
  expect(await ready()).toMatchObject({ status: 'degraded', reason: 'clock_skew' });

  setClock(-15);
  await build(2);
  setClock(0);
  await build(3);
  await expect.poll(() => incidents('open'), waiting).toEqual([]);
  expect(await incidents('resolved')).not.toEqual([]);
  expect(await ready()).toMatchObject({ status: 'ok' });
  // Once known, the difference needs no further requests.
  const refused = scene.github.requests({ path: /^\/app/ }).filter(({ status }) => status === 401);
  expect(refused.length).toBeLessThanOrEqual(6);
}, 300_000);
