import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Program, runProgram } from '../support/programs/processes.ts';
import {
  type AllInOne,
  bind,
  type Scene,
  startAllInOne,
  startOwnTemporal,
  startScene,
} from '../support/programs/product.ts';
import { allBuilds } from '../support/scenes/platform.ts';

const killsOfTheWhole = 3;
const killsOfReceivers = 50;

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

/** Waits until every acknowledged push is dispatched, and checks that no stored push is dispatched twice. */
async function expectDispatchedOnce(acknowledged: string[]): Promise<void> {
  await expect
    .poll(() => acknowledged.filter((sha) => !scene.dispatched().includes(sha)), { timeout: 60_000, interval: 200 })
    .toEqual([]);
  // A push that was not acknowledged might still have been stored.
  const builds = await allBuilds(product.client);
  await expect.poll(() => scene.dispatched().length, { timeout: 60_000 }).toBe(builds.length);
  expect(new Set(builds.map(({ sha }) => sha)).size).toBe(builds.length);
  expect([...scene.dispatchedBuilds()].sort()).toEqual(builds.map(({ id }) => id).sort());
}

test(`dispatches each push once that the product acknowledged right before one of ${killsOfTheWhole} kills -9`, async () => {
  // Between the decision to send and the request, there is a moment after which a crash leaves the outcome unknown.
  // Such a build is held for a person. GitHub gives out no token, so nothing is sent and every kill comes before that
  // moment.
  scene.github.faults.add({ method: 'POST', path: /\/access_tokens$/, kind: 'status', status: 503, retryAfter: 2 });
  const acknowledged: string[] = [];
  for (let kill = 0; kill < killsOfTheWhole; kill += 1) {
    // Five pushes at once: the first 202 triggers the kill. If none returns 202, this throws.
    const round = Array.from({ length: 5 }, () => scene.push());
    await Promise.any(
      round.map(async (push) => {
        if (!(await push).acknowledged) throw new Error('not acknowledged');
      }),
    );
    expect(await product.program().end('SIGKILL')).toBe('SIGKILL');
    for (const { sha, acknowledged: was } of await Promise.all(round)) if (was) acknowledged.push(sha);
    scene.forgetLog();
    expect(scene.dispatched()).toEqual([]);
    await product.start();
  }
  scene.github.faults.clear();
  await expectDispatchedOnce(acknowledged);
}, 180_000);

test(`dispatches each push once that one of ${killsOfReceivers} processes acknowledged right before its kill -9`, async () => {
  await product.stop();
  const before = scene.dispatched().length;
  const env = { FAIRLEAD_PORT: new URL(product.url).port, FAIRLEAD_DATA_DIR: product.dataDir };
  const load = () =>
    runProgram(
      process.execPath,
      ['--disable-proto=throw', '--import', 'tsx', 'test/support/programs/receiver.ts'],
      env,
    );
  // Loading takes most of the time, so the next two processes load while one works.
  const loading: Program[] = [load(), load()];
  const acknowledged: string[] = [];
  const ends: unknown[] = [];
  try {
    for (let kill = 0; kill < killsOfReceivers; kill += 1) {
      const receiver = loading.shift() as Program;
      if (kill + loading.length + 1 < killsOfReceivers) loading.push(load());
      await receiver.line(/is loaded/);
      process.kill(receiver.pid, 'SIGUSR2');
      await receiver.line(/is ready/);
      const { sha, acknowledged: was } = await scene.push();
      ends.push(await receiver.end('SIGKILL'));
      if (was) acknowledged.push(sha);
    }
  } finally {
    await Promise.all(loading.map((spare) => spare.end('SIGKILL')));
  }
  // Each process was alive until its kill and had acknowledged its push. Nothing has been dispatched yet.
  expect(ends).toEqual(Array(killsOfReceivers).fill('SIGKILL'));
  expect(acknowledged).toHaveLength(killsOfReceivers);
  expect(scene.dispatched()).toHaveLength(before);
  scene.forgetLog();
  await product.start();
  await expectDispatchedOnce(acknowledged);
  expect(scene.dispatched()).toHaveLength(before + killsOfReceivers);
}, 180_000);
