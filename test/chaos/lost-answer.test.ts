import { afterAll, beforeAll, expect, test } from 'vitest';
import { listBuilds } from '../support/platform.ts';
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

const status = async () => (await listBuilds(product.client))[0]?.status;

test('a dispatch whose answer was lost, and whose worker was killed, is one run, found by its marker', async () => {
  const { github, app, installation } = scene;
  github.faults.add({ method: 'POST', path: /\/dispatches$/, kind: 'lost_answer', times: 1 });
  expect(await scene.push()).toMatchObject({ acknowledged: true });
  await expect.poll(() => scene.dispatched(), { timeout: 20_000, interval: 20 }).toHaveLength(1);
  expect(github.state.runs.size).toBe(1);
  await product.kill();
  await product.start();

  await expect.poll(status, { timeout: 60_000, interval: 200 }).toBe('running');
  const [build] = await listBuilds(product.client);
  const [run] = [...github.state.runs.values()];
  if (!run) throw new Error('The stand-in has no run');
  expect(build?.run_id).toBe(run.id);
  expect(run.displayTitle).toContain(build?.id);

  const payload = github.progressRun(run, { status: 'completed', conclusion: 'success' });
  await github.sendWebhook({ app, event: 'workflow_run', payload, installation });
  await expect.poll(status, { timeout: 20_000 }).toBe('succeeded');
  expect(scene.dispatched()).toHaveLength(1);
  expect(github.state.runs.size).toBe(1);
}, 120_000);
