import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect } from '../../db/store/connection.ts';
import { githubHost } from '../../domain/github/github-host.ts';
import { createGuardedFetch } from '../../providers/egress/guarded-fetch.ts';
import { createGitHub } from '../../providers/github/github.ts';
import { type AllInOne, bind, type Scene, startAllInOne, startScene } from '../support/programs/product.ts';
import { allBuilds } from '../support/scenes/platform.ts';

const pem = (name: string) => fileURLToPath(new URL(`../support/tls/${name}.pem`, import.meta.url));
const soon = { timeout: 60_000, interval: 300 };
const fourDays = 4 * 86_400_000;

let scene: Scene;
let product: AllInOne;

beforeAll(async () => {
  const certificate = { cert: readFileSync(pem('loopback'), 'utf8'), key: readFileSync(pem('loopback-key'), 'utf8') };
  scene = await startScene({ flavour: 'ghes', certificate });
  scene.github.autoRuns = true;
  product = await startAllInOne({
    ...scene,
    env: { FAIRLEAD_CA_FILE: pem('loopback'), FAIRLEAD_WEBHOOK_MODE: 'push' },
  });
}, 120_000);
afterAll(async () => {
  await product?.remove();
  await scene?.github.close();
});

test('does not call an Enterprise Server whose certificate it does not trust', async () => {
  const { url } = scene.github;
  expect(url).toMatch(/^https:/);
  const options = { allowedHosts: [{ origin: url }], timeoutMs: 5_000, maxBytes: 100_000 };
  const versionBy = (caFile?: string) =>
    createGitHub({
      host: githubHost(url),
      fetch: createGuardedFetch({ ...options, ...(caFile && { caFile }) }),
    }).serverVersion();
  expect(await versionBy(pem('loopback'))).toBe('3.19.0');
  await expect(versionBy()).rejects.toMatchObject({ code: 'network' });
  await expect(versionBy(pem('certificate'))).rejects.toMatchObject({ code: 'network' });
});

test('syncs with FAIRLEAD_CA_FILE, and builds and reports a push', async () => {
  await bind(scene, product.client);
  const { sha, acknowledged } = await scene.push();
  expect(acknowledged).toBe(true);
  await expect
    .poll(async () => (await allBuilds(product.client)).map((one) => [one.status, one.sha]), soon)
    .toEqual([['succeeded', sha]]);
  await expect.poll(() => scene.github.state.statuses.map(({ state }) => state), soon).toContain('success');
  expect(scene.github.violations).toEqual([]);
}, 120_000);

type Delivery = { origin: string; status: string };

test('reads what it missed for four days from the log', async () => {
  const [first] = scene.dispatched();
  await product.stop();
  const between = await scene.push();
  const last = await scene.push();
  expect([between.acknowledged, last.acknowledged]).toEqual([false, false]);
  for (const delivery of scene.github.state.deliveries) delivery.deliveredAt -= fourDays;
  const database = connect({ sqliteFile: path.join(product.dataDir, 'fairlead.db') });
  await database.write(async (trx) => {
    await trx('delivery_watermarks').decrement('complete_until', fourDays);
    await trx('ref_heads').decrement('pushed_at', fourDays);
  });
  await database.close();

  await product.start();
  // github.com's log would contain only the newest push. This one contains both.
  await expect.poll(() => scene.dispatched().toSorted(), soon).toEqual([first, between.sha, last.sha].toSorted());
  const deliveries = await product.client.ask<Delivery[]>('GET', '/v1/deliveries?event=push&limit=200');
  expect(deliveries.map(({ origin }) => origin)).not.toContain('synthetic');
}, 180_000);
