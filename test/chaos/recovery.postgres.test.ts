import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { bind, type Scene, startCluster, startOwnTemporal, startScene } from '../support/programs/product.ts';
import { allBuilds } from '../support/scenes/platform.ts';

let scene: Scene;
let temporal: Awaited<ReturnType<typeof startOwnTemporal>>;
let database: TestDatabase;
let cluster: Awaited<ReturnType<typeof startCluster>> | undefined;

const FAIRLEAD_MASTER_KEYS = `k1:${randomBytes(32).toString('base64')}`;

beforeAll(async () => {
  [scene, temporal, database] = await Promise.all([startScene(), startOwnTemporal(), openTestDatabase()]);
}, 180_000);
afterAll(async () => {
  await cluster?.stop();
  await database?.drop();
  await temporal?.remove();
  await scene?.github.close();
}, 90_000);

async function start() {
  if (!('databaseUrl' in database.source)) throw new Error('This test needs Postgres');
  const { databaseUrl } = database.source;
  const env = { FAIRLEAD_MASTER_KEYS, FAIRLEAD_WEBHOOK_MODE: 'push', FAIRLEAD_CALLER_REQUESTS_PER_MINUTE: '60000' };
  const places = { databaseUrl, temporalAddress: temporal.address };
  cluster = await startCluster({ ...scene, ...places, apis: 1, workers: 2, env });
  const client = cluster.api[0]?.client;
  if (!client) throw new Error('The cluster has no API');
  return { ...cluster, client };
}

async function statuses(): Promise<Record<string, number>> {
  const rows: { status: string }[] = await database.reader('deliveries').where({ event: 'push' }).select('status');
  const counts: Record<string, number> = {};
  for (const { status } of rows) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

test('recovers 500 missed pushes once each with two workers, one of which is killed', async () => {
  const { client, stop } = await start();
  await bind(scene, client);
  await stop();
  const guids = Array.from({ length: 500 }, () => randomUUID() as string);
  for (const guid of guids) expect(await scene.push({ guid })).toMatchObject({ acknowledged: false });

  const begun = Date.now();
  const again = await start();
  await expect
    .poll(async () => (await statuses())['processed'] ?? 0, { timeout: 60_000, interval: 20 })
    .toBeGreaterThan(0);
  await again.worker[0]?.kill();
  await expect.poll(statuses, { timeout: 120_000, interval: 500 }).toEqual({ processed: 500 });
  const seconds = (Date.now() - begun) / 1000;
  console.log(`500 missed deliveries were decided ${seconds.toFixed(1)} s after the start, one worker was killed`);
  expect(seconds).toBeLessThan(120);
  const stored: string[] = await database.reader('deliveries').where({ event: 'push' }).pluck('provider_delivery_id');
  expect(stored.sort()).toEqual(guids.sort());
  expect(await allBuilds(again.client)).toHaveLength(500);
}, 300_000);
