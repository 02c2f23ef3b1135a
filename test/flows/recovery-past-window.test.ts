import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connect } from '../../db/store/connection.ts';
import { type AllInOne, bind, type Scene, startAllInOne, startScene } from '../support/programs/product.ts';
import { allBuilds } from '../support/scenes/platform.ts';

const away = 4 * 86_400_000;

let scene: Scene;
let product: AllInOne;

beforeEach(async () => {
  scene = await startScene();
});
afterEach(async () => {
  await product?.remove();
  await scene?.github.close();
});

/** Every entry of GitHub's log is now older than GitHub keeps it, and no process ran in the meantime. */
async function letTimePass(): Promise<void> {
  for (const delivery of scene.github.state.deliveries) delivery.deliveredAt -= away;
  const database = connect({ sqliteFile: path.join(product.dataDir, 'fairlead.db') });
  await database.write(async (trx) => {
    await trx('delivery_watermarks').decrement('complete_until', away);
    await trx('ref_heads').decrement('pushed_at', away);
  });
  await database.close();
}

type Delivery = { provider_delivery_id: string; origin: string; status: string; reason: string };
const deliveries = () => product.client.ask<Delivery[]>('GET', '/v1/deliveries?event=push&limit=200');

test.each(['push', 'pull'])(
  'builds the unreported head once in %s mode, even if GitHub reports it later',
  async (mode) => {
    product = await startAllInOne({ ...scene, env: { FAIRLEAD_WEBHOOK_MODE: mode } });
    await bind(scene, product.client);
    const before = await scene.push();
    await expect.poll(() => scene.dispatched()).toEqual([before.sha]);
    await product.stop();

    await scene.push();
    const guid = randomUUID();
    const { sha } = await scene.push({ guid });
    await letTimePass();
    await product.start();
    await expect.poll(() => scene.dispatched(), { timeout: 60_000 }).toEqual([before.sha, sha]);
    expect((await deliveries()).map(({ origin }) => origin)).toEqual(['synthetic', 'webhook']);

    // A person clicks the button at GitHub.
    await scene.github.redeliver(guid);
    await expect
      .poll(async () => (await deliveries()).find((one) => one.provider_delivery_id === guid))
      .toMatchObject({ status: 'ignored', reason: 'head_already_decided' });
    // Later pushes build as usual.
    const next = await scene.push();
    await expect.poll(() => scene.dispatched(), { timeout: 30_000 }).toEqual([before.sha, sha, next.sha]);
    expect(await allBuilds(product.client)).toHaveLength(3);
  },
  240_000,
);
