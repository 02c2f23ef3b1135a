import { createServer } from 'node:net';
import { Counter, Registry } from 'prom-client';
import { afterEach, expect, test } from 'vitest';
import { Problem } from '../../../api/http/problems.ts';
import { serveMetrics } from '../../../api/ops/metrics-server.ts';
import type { Readiness } from '../../../api/ops/readiness.ts';
import { silent } from '../../support/hooks.ts';

const token = 'Zk3w9QpLs7Vt2Xc8Rb5N';
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function start(
  config: { host?: string; port?: number; token?: string } = {},
  readiness: () => Promise<Readiness> = async () => ({ status: 'ok', reason: null }),
) {
  const registry = new Registry();
  new Counter({ name: 'fairlead_test_total', help: 'Test', registers: [registry] }).inc();
  const server = await serveMetrics({
    config: { host: '127.0.0.1', port: 0, token: undefined, ...config },
    registry,
    readiness,
    logger: silent,
  });
  stops.push(server.stop);
  return (path: string, init?: RequestInit) => fetch(server.url + path, init);
}

/** Occupies a port until the end of the test. */
async function occupied(port = 0): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.once('error', () => resolve()).listen(port, '127.0.0.1', resolve));
  stops.push(() => new Promise((resolve) => server.close(() => resolve())));
  const address = server.address();
  return typeof address === 'object' && address ? address.port : port;
}

test('serves the metrics of its process, and two checks', async () => {
  const ask = await start();
  const metrics = await ask('/metrics');
  expect(metrics.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  expect(await metrics.text()).toContain('fairlead_test_total 1');
  expect(await (await ask('/healthz')).json()).toEqual({ status: 'ok' });
  expect(await (await ask('/readyz')).json()).toEqual({ status: 'ok', reason: null });
  expect((await ask('/metrics', { method: 'HEAD' })).status).toBe(200);
  expect((await ask('/metrics', { method: 'POST' })).status).toBe(405);
  expect((await ask('/v1/projects')).status).toBe(404);
});

test('requires the token for the metrics only', async () => {
  const ask = await start({ token });
  const metrics = (authorization: string) => ask('/metrics', { headers: { authorization } });
  const refused = await ask('/metrics');
  expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
  expect(await refused.text()).not.toContain('fairlead_test_total');
  for (const wrong of [`Bearer ${token}x`, 'Bearer ', `Basic ${token}`, token]) {
    expect((await metrics(wrong)).status, wrong).toBe(401);
  }
  expect((await metrics(`Bearer ${token}`)).status).toBe(200);
  expect((await metrics(`bearer ${token}`)).status).toBe(200);
  for (const path of ['/healthz', '/readyz']) expect((await ask(path)).status).toBe(200);
});

test('says degraded with 200, and 503 if nothing can be stored', async () => {
  const degraded = await start({}, async () => ({ status: 'degraded', reason: 'temporal_away' }));
  const answer = await degraded('/readyz');
  expect([answer.status, await answer.json()]).toEqual([200, { status: 'degraded', reason: 'temporal_away' }]);
  const lost = await start({}, async () => {
    throw new Problem('unavailable', 'Nothing can be stored. Check the database.');
  });
  expect((await lost('/readyz')).status).toBe(503);
  expect((await lost('/healthz')).status).toBe(200);
});

test('takes another port if the usual one is taken, and refuses a taken port that was set', async () => {
  await occupied(9464);
  const ask = await start({ port: undefined as unknown as number });
  expect((await ask('/healthz')).status).toBe(200);
  const port = await occupied();
  await expect(start({ port })).rejects.toThrow(
    `Port ${port} is taken: stop what listens there, or set FAIRLEAD_METRICS_PORT`,
  );
});
