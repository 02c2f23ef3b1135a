import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type AllInOne, bind, type Scene, startAllInOne, startScene } from '../support/programs/product.ts';
import { allBuilds } from '../support/scenes/platform.ts';

let scene: Scene;
let product: AllInOne;
let integrationId: string;

beforeEach(async () => {
  scene = await startScene();
});
afterEach(async () => {
  await product?.remove();
  await scene?.github.close();
});

async function startIn(mode: 'push' | 'pull'): Promise<void> {
  product = await startAllInOne({
    ...scene,
    env: { FAIRLEAD_WEBHOOK_MODE: mode, FAIRLEAD_CALLER_REQUESTS_PER_MINUTE: '60000' },
  });
  ({ integrationId } = await bind(scene, product.client));
}

type Delivery = { provider_delivery_id: string; status: string; origin: string };

async function allDeliveries(): Promise<Delivery[]> {
  const all: Delivery[] = [];
  for (let path: string | undefined = '/v1/deliveries?event=push&limit=200'; path; ) {
    const answer: { headers: Headers; body: Delivery[] } = await product.client.send<Delivery[]>('GET', path);
    all.push(...answer.body);
    path = /<([^>]+)>; rel="next"/.exec(answer.headers.get('link') ?? '')?.[1];
  }
  return all;
}

test('decides 500 missed pushes once each within two minutes of the start', async () => {
  await startIn('push');
  expect(await scene.push()).toMatchObject({ acknowledged: true });
  await product.stop();
  const guids = Array.from({ length: 500 }, () => randomUUID() as string);
  for (const guid of guids) expect(await scene.push({ guid })).toMatchObject({ acknowledged: false });

  const started = Date.now();
  await product.start();
  await expect
    .poll(async () => (await allDeliveries()).filter(({ status }) => status === 'processed').length, {
      timeout: 120_000,
      interval: 500,
    })
    .toBe(501);
  const seconds = (Date.now() - started) / 1000;
  console.log(`500 missed deliveries were decided ${seconds.toFixed(1)} s after the process was started`);
  expect(seconds).toBeLessThan(120);

  const deliveries = await allDeliveries();
  expect(new Set(deliveries.map((one) => one.provider_delivery_id)).size).toBe(501);
  for (const guid of guids) expect(deliveries.some((one) => one.provider_delivery_id === guid)).toBe(true);
  // Some arrived again by webhook, the rest was read. None of them made two builds.
  expect(new Set(deliveries.map(({ origin }) => origin))).toEqual(new Set(['webhook', 'pulled']));
  expect(await allBuilds(product.client)).toHaveLength(501);

  // A second request changes nothing.
  const { operation } = await product.client.ask<{ operation: { id: string } }>(
    'POST',
    `/v1/integrations/${integrationId}/recover`,
  );
  // The dispatches have used up GitHub's rate limit, so reading the log takes longer.
  await expect
    .poll(() => product.client.ask('GET', `/v1/operations/${operation.id}`), { timeout: 90_000, interval: 500 })
    .toMatchObject({ operation: { kind: 'recover', status: 'succeeded' } });
  expect(await allDeliveries()).toHaveLength(501);
  expect(await allBuilds(product.client)).toHaveLength(501);
}, 300_000);

test('processes a delivery with a failed first attempt on request, in one workflow for all requests', async () => {
  await startIn('push');
  const guid = randomUUID();
  // The webhook went to another address.
  expect(await scene.push({ guid, to: 'http://127.0.0.1:9/hook' })).toMatchObject({ acknowledged: false });
  const ask = () =>
    product.client.ask<{ operation: { workflow_id: string } }>(
      'POST',
      `/v1/integrations/${integrationId}/recover?wait=30`,
    );
  const asked = await Promise.all([ask(), ask()]);
  expect(new Set(asked.map(({ operation }) => operation.workflow_id)).size).toBe(1);
  await expect
    .poll(allDeliveries, { timeout: 15_000 })
    .toMatchObject([{ provider_delivery_id: guid, status: 'processed', origin: 'webhook' }]);
  expect(await allBuilds(product.client)).toHaveLength(1);
}, 120_000);

test('builds a push within seconds without any incoming request', async () => {
  scene.github.autoRuns = true;
  await startIn('pull');
  scene.app.hookUrl = 'https://gha-x.fairlead.invalid/v1/webhooks/github/gha_x';
  const latencies: number[] = [];
  for (let at = 1; at <= 8; at += 1) {
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 3_000));
    const begun = Date.now();
    expect(await scene.push()).toMatchObject({ acknowledged: false });
    await expect.poll(() => scene.dispatched().length, { timeout: 30_000, interval: 50 }).toBe(at);
    latencies.push(Date.now() - begun);
  }
  latencies.sort((a, b) => a - b);
  console.log(`push to dispatch in pull mode, ms: ${latencies.join(' ')}`);
  expect(latencies.at(-1)).toBeLessThan(12_000);
  // It also read the end of each run.
  await expect
    .poll(async () => (await allBuilds(product.client)).map(({ status }) => status), { timeout: 60_000, interval: 500 })
    .toEqual(Array.from({ length: 8 }, () => 'succeeded'));
  expect((await allDeliveries()).every(({ origin }) => origin === 'pulled')).toBe(true);
}, 240_000);
