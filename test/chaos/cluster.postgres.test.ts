import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { bind, type Scene, startCluster, startOwnTemporal, startScene } from '../support/programs/product.ts';
import { allBuilds } from '../support/scenes/platform.ts';

let scene: Scene;
let temporal: Awaited<ReturnType<typeof startOwnTemporal>>;
let database: TestDatabase;
let cluster: Awaited<ReturnType<typeof startCluster>>;

beforeAll(async () => {
  [scene, temporal, database] = await Promise.all([startScene(), startOwnTemporal(), openTestDatabase()]);
  if (!('databaseUrl' in database.source)) throw new Error('This test needs Postgres');
  const { databaseUrl } = database.source;
  cluster = await startCluster({ ...scene, apis: 2, workers: 2, databaseUrl, temporalAddress: temporal.address });
  await bind(scene, client());
}, 180_000);
afterAll(async () => {
  await cluster?.stop();
  await database?.drop();
  await temporal?.remove();
  await scene?.github.close();
}, 90_000);

const api = (index: number) => {
  const member = cluster.api[index % cluster.api.length];
  if (!member) throw new Error('The cluster has no API');
  return member;
};
const client = () => api(0).client;

test('makes one build and one dispatch of a push that is sent 200 times to two APIs', async () => {
  const { github, app, repository } = scene;
  const payload = github.push(repository, { ref: 'refs/heads/main' });
  const guid = randomUUID();
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, index) =>
      github.sendWebhook({ app, event: 'push', payload, guid, to: api(index).hookUrl }),
    ),
  );
  expect([...new Set(answers.map(({ status }) => status))]).toEqual([202]);
  await expect.poll(() => scene.dispatched(), { timeout: 30_000 }).toEqual([payload['after']]);

  // Once a later push is dispatched, no work for the first one is pending.
  const { sha } = await scene.push({ to: api(1).hookUrl });
  await expect.poll(() => scene.dispatched(), { timeout: 30_000 }).toEqual([payload['after'], sha]);
  expect(await allBuilds(client())).toHaveLength(2);
}, 120_000);

test('dispatches 100 pushes with two relays as 100 builds, none twice', async () => {
  const before = scene.dispatched().length;
  const pushes = await Promise.all(Array.from({ length: 100 }, (_, index) => scene.push({ to: api(index).hookUrl })));
  expect(pushes.filter(({ acknowledged }) => acknowledged)).toHaveLength(100);
  await expect.poll(() => new Set(scene.dispatched()).size, { timeout: 150_000, interval: 500 }).toBe(before + 100);
  expect(scene.dispatched()).toHaveLength(before + 100);
  expect(scene.dispatched()).toEqual(expect.arrayContaining(pushes.map(({ sha }) => sha)));
  expect(new Set(scene.dispatchedBuilds()).size).toBe(before + 100);
  expect(await allBuilds(client())).toHaveLength(before + 100);
}, 200_000);

test('dispatches each push once that an API acknowledged right before one of 25 kills -9', async () => {
  const before = scene.dispatched().length;
  // GitHub gives out no token, so nothing is sent: this test does not cover kills during a request. New workers have no
  // cached tokens.
  scene.github.faults.add({ method: 'POST', path: /\/access_tokens$/, kind: 'status', status: 503, retryAfter: 2 });
  for (const worker of cluster.worker) {
    await worker.kill();
    await worker.start();
  }
  const acknowledged: string[] = [];
  for (let round = 0; round < 25; round += 1) {
    // Each API gets a push. The 202 for the first push triggers the kill of its process, and every fifth round also
    // kills a worker.
    const victim = api(round);
    const [push, other] = [scene.push({ to: victim.hookUrl }), scene.push({ to: api(round + 1).hookUrl })];
    const first = await push;
    expect(first.acknowledged).toBe(true);
    acknowledged.push(first.sha);
    const worker = round % 5 === 4 ? cluster.worker[round % 2] : undefined;
    await Promise.all([victim.kill(), worker?.kill()]);
    const second = await other;
    if (second.acknowledged) acknowledged.push(second.sha);
    scene.forgetLog();
    await Promise.all([victim.start(), worker?.start()]);
  }
  scene.github.faults.clear();
  await expect
    .poll(() => acknowledged.filter((sha) => !scene.dispatched().includes(sha)), { timeout: 90_000, interval: 200 })
    .toEqual([]);
  const builds = await allBuilds(client());
  await expect.poll(() => scene.dispatched().length, { timeout: 60_000 }).toBe(builds.length);
  expect(builds.length - before).toBe(acknowledged.length);
  expect([...scene.dispatchedBuilds()].sort()).toEqual(builds.map(({ id }) => id).sort());
}, 400_000);
