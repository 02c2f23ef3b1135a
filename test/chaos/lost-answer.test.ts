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
import { listBuilds } from '../support/scenes/platform.ts';

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

test.each([
  ['before it could write down what happened', 0],
  // The first search for the run is due after five seconds.
  ['while it waited to look for the run', 2500],
])(
  'makes one run of a dispatch whose response was lost and whose worker was killed %s, and finds it by its marker',
  async (_, waitMs) => {
    const { github, app, installation } = scene;
    const before = scene.dispatched().length;
    github.faults.add({ method: 'POST', path: /\/dispatches$/, kind: 'lost_answer', times: 1 });
    expect(await scene.push()).toMatchObject({ acknowledged: true });
    await expect.poll(() => scene.dispatched().length, { timeout: 20_000, interval: 10 }).toBe(before + 1);
    await sleep(waitMs);
    await product.kill();
    await product.start();

    await expect.poll(status, { timeout: 60_000, interval: 200 }).toBe('running');
    const [build] = await listBuilds(product.client);
    const run = [...github.state.runs.values()].at(-1);
    if (!run) throw new Error('The stand-in has no run');
    expect(build?.run_id).toBe(run.id);
    expect(run.displayTitle).toContain(build?.id);

    const payload = github.progressRun(run, { status: 'completed', conclusion: 'success' });
    await github.sendWebhook({ app, event: 'workflow_run', payload, installation });
    await expect.poll(status, { timeout: 20_000 }).toBe('succeeded');
    expect(scene.dispatched()).toHaveLength(before + 1);
    expect(github.state.runs.size).toBe(before + 1);
  },
  120_000,
);
