import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { freePort, type Program, runFairlead } from '../support/programs/processes.ts';
import { startOwnTemporal } from '../support/programs/product.ts';

let database: TestDatabase;
let temporal: Awaited<ReturnType<typeof startOwnTemporal>>;
let worker: Program;
let metricsPort: number;

const token = 'Zk3w9QpLs7Vt2Xc8Rb5N';
const ask = (path: string, headers = {}) => fetch(`http://127.0.0.1:${metricsPort}${path}`, { headers });

beforeAll(async () => {
  [database, temporal, metricsPort] = await Promise.all([openTestDatabase(), startOwnTemporal(), freePort()]);
  await temporal.stop();
  if (!('databaseUrl' in database.source)) throw new Error('This test needs Postgres');
  worker = runFairlead('worker/main.ts', {
    DATABASE_URL: database.source.databaseUrl,
    TEMPORAL_ADDRESS: temporal.address,
    FAIRLEAD_MASTER_KEYS: `k1:${randomBytes(32).toString('base64')}`,
    FAIRLEAD_METRICS_PORT: String(metricsPort),
    FAIRLEAD_METRICS_TOKEN: token,
  });
}, 120_000);
afterAll(async () => {
  await worker?.end();
  await temporal?.remove();
  await database?.drop();
}, 60_000);

test('a worker serves its health and metrics without Temporal, and connects when Temporal comes', async () => {
  await worker.line(/worker waits for Temporal at 127\.0\.0\.1/, 60_000);
  expect((await ask('/healthz')).status).toBe(200);
  const readiness = async () => (await ask('/readyz')).json();
  await expect.poll(readiness, { timeout: 15_000 }).toEqual({ status: 'degraded', reason: 'temporal_away' });

  await temporal.start();
  await worker.line(/Temporal is connected, and the worker runs/, 30_000);
  await expect.poll(readiness, { timeout: 15_000 }).toEqual({ status: 'ok', reason: null });
  expect((await ask('/metrics')).status).toBe(401);
  const text = await (await ask('/metrics', { authorization: `Bearer ${token}` })).text();
  for (const name of ['fairlead_relay_backlog', 'fairlead_builds_open', 'fairlead_incidents_open', 'process_cpu']) {
    expect(text).toContain(name);
  }
  expect(text).not.toContain(token);
  expect(await worker.end('SIGTERM')).toBe(0);
}, 150_000);
