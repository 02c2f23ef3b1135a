import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { pull } from '../../../activities/deliveries/pull.ts';
import type { LogReading } from '../../../activities/deliveries/read-log.ts';
import { storeDeliveries } from '../../../db/deliveries/store-deliveries.ts';
import { missedIn } from '../../../domain/deliveries/delivery-log.ts';
import { type RecoveryScene, startRecoveryScene } from '../../support/scenes/recovery-scene.ts';

let scene: RecoveryScene;
beforeEach(async () => {
  scene = await startRecoveryScene();
});
afterEach(() => scene?.end());

test('if GitHub cannot reach Fairlead, deliveries are read from the log, oldest first and once', async () => {
  const { database, installation, push, rows, asked, activities } = scene;
  const guids = [await push(), await push(), await push()];
  const { read } = activities(false);
  expect(await read()).toMatchObject({ recovered: 3, sentAgain: 0, next: null, again: false });
  const stored = await rows();
  expect(stored.map((row) => row.provider_delivery_id)).toEqual(guids);
  expect(stored.every(({ origin, status }) => origin === 'pulled' && status === 'received')).toBe(true);
  const body = await database.reader('delivery_bodies').orderBy('delivery_id').first();
  expect(JSON.parse(String(body?.body))).toMatchObject({
    ref: 'refs/heads/main',
    installation: { id: installation.id },
  });
  // The signature is no longer needed.
  expect(Object.keys(JSON.parse(stored[0]?.headers ?? '{}')).sort()).toEqual([
    'x-github-hook-id',
    'x-github-hook-installation-target-id',
    'x-github-hook-installation-target-type',
  ]);

  expect(await read()).toMatchObject({ recovered: 0 });
  expect(asked(/^\/app\/hook\/deliveries\/\d+$/)).toBe(3);
  expect(asked(/attempts$/, 'POST')).toBe(0);
});

test('does not call GitHub or open an incident when no recovery was requested', async () => {
  const { database, push, asked, activities } = scene;
  await push();
  const { readUnasked, finishUnasked } = activities(false);
  expect(await readUnasked()).toMatchObject({ recovered: 0, next: null });
  await finishUnasked({ code: 'app_credentials_rejected', detail: 'By hand' });
  expect(asked(/./)).toBe(0);
  expect(await database.reader('incidents')).toEqual([]);
});

test('a delivery that arrived by webhook is not read, and a logged success that never arrived is', async () => {
  const { database, github, githubAppId, push, rows, activities } = scene;
  const [here, swallowed] = [await push(), await push()];
  // A proxy responded in place of Fairlead.
  for (const delivery of github.state.deliveries) delivery.statusCode = 200;
  const known = {
    githubAppId,
    providerDeliveryId: here,
    event: 'push',
    contentKey: null,
    headers: {},
    body: Buffer.from('{}'),
  };
  await database.write((trx) => storeDeliveries(trx, [known]));
  expect(await activities(false).read()).toMatchObject({ recovered: 1 });
  expect((await rows()).map((row) => [row.provider_delivery_id, row.origin])).toEqual([
    [here, 'webhook'],
    [swallowed, 'pulled'],
  ]);
});

test('if GitHub can reach Fairlead, it is asked to send again, and missing deliveries are read later', async () => {
  const { github, push, rows, watermark, activities } = scene;
  const guid = await push();
  const { read } = activities(true);
  expect(await read()).toMatchObject({ recovered: 0, sentAgain: 1, again: false });
  expect(await rows()).toEqual([]);
  // The watermark stays before the deliveries that are still on their way.
  const sentFirst = github.state.deliveries[0]?.deliveredAt ?? 0;
  expect(await watermark()).toBeLessThan(sentFirst);
  await expect.poll(() => github.state.deliveries.length).toBe(2);
  expect(await read()).toMatchObject({ recovered: 1, sentAgain: 0 });
  expect((await rows()).map((row) => row.provider_delivery_id)).toEqual([guid]);
});

test('a delivery is read if GitHub refuses to send it again', async () => {
  const { github, push, activities } = scene;
  await push();
  github.faults.add({ method: 'POST', path: /attempts$/, kind: 'status', status: 422, times: 9 });
  expect(await activities(true).read()).toMatchObject({ recovered: 1, sentAgain: 0 });
});

test('a log of thousands is read in parts, and the watermark moves at the end', async () => {
  const { github, theirs, installation, repository, rows, watermark, activities } = scene;
  for (let at = 0; at < 3_250; at += 1) {
    const template = { action: null, installationId: installation.id, repositoryId: repository.id };
    github.state.deliveries.push({
      ...template,
      id: github.state.nextId(),
      appId: theirs.appId,
      guid: randomUUID(),
      event: 'push',
      deliveredAt: github.state.now(),
      redelivery: false,
      durationSeconds: 0,
      statusCode: 502,
      url: theirs.hookUrl ?? '',
      rawBody: '{}',
      payload: { ref: 'refs/heads/main', at },
      requestHeaders: {},
      responseHeaders: {},
      responseBody: '',
    });
  }
  const { read } = activities(false);
  let parts = 0;
  for (let cursor: string | null = null, again = true; again; parts += 1) {
    expect(await watermark()).toBeUndefined();
    const reading: LogReading = await read(cursor ?? undefined);
    cursor = reading.next;
    again = reading.again;
  }
  expect((await rows()).length).toBe(3_250);
  expect(parts).toBeGreaterThan(6);
  expect(await watermark()).toEqual(expect.any(Number));
}, 120_000);

test('an unreadable delivery does not delay others, and is retried', async () => {
  const { github, push, rows, watermark, activities } = scene;
  for (let at = 0; at < 40; at += 1) await push();
  const one = new RegExp(`deliveries/${github.state.deliveries[10]?.id}$`);
  github.faults.add({ method: 'GET', path: one, kind: 'status', status: 503, times: 1 });
  const { read } = activities(false);
  await expect(read()).rejects.toMatchObject({ type: 'unavailable' });
  expect((await rows()).length).toBe(39);
  expect(await watermark()).toBeUndefined();
  expect(await read()).toMatchObject({ recovered: 1, again: false });
  expect((await rows()).length).toBe(40);
});

test('an outage stops further requests, and deliveries that were read are kept', async () => {
  const { github, push, rows, asked, activities } = scene;
  for (let at = 0; at < 60; at += 1) await push();
  const later = github.state.deliveries.slice(30).map(({ id }) => id);
  const path = new RegExp(`deliveries/(${later.join('|')})$`);
  github.faults.add({ method: 'GET', path, kind: 'status', status: 503, times: 99 });
  await expect(activities(false).read()).rejects.toMatchObject({ type: 'unavailable' });
  expect((await rows()).length).toBe(30);
  expect(asked(path)).toBeLessThan(10);
});

test('a rate limit ends the reading immediately, with the time to wait', async () => {
  const { github, push, asked, activities } = scene;
  for (let at = 0; at < 20; at += 1) await push();
  const path = /deliveries\/\d+$/;
  github.faults.add({ method: 'GET', path, kind: 'secondary_limit', retryAfter: 77, times: 1 });
  await expect(activities(false).read()).rejects.toMatchObject({ type: 'secondary_limited', nextRetryDelay: 77_000 });
  expect(asked(path)).toBe(5);
});

test('a delivery whose content is missing in the log is stored as failed, and delays nothing', async () => {
  const { github, push, rows, activities } = scene;
  const [lost, later] = [await push(), await push()];
  const entry = github.state.deliveries.find(({ guid }) => guid === lost);
  if (entry) entry.payload = null as never;
  expect(await activities(false).read()).toMatchObject({ recovered: 2, again: false });
  expect((await rows()).map((row) => [row.provider_delivery_id, row.size > 0])).toEqual([
    [lost, false],
    [later, true],
  ]);
});

test('a delivery that is too large is stored as failed, and delays nothing', async () => {
  const { github, push, rows, activities } = scene;
  const [long, later] = [await push(), await push()];
  const entry = github.state.deliveries.find(({ guid }) => guid === long);
  if (entry) entry.payload = { long: 'a'.repeat(21_000_000) };
  expect(await activities(false).read()).toMatchObject({ recovered: 2, again: false });
  expect((await rows()).map((row) => [row.provider_delivery_id, row.size > 0])).toEqual([
    [long, false],
    [later, true],
  ]);
});

test('large deliveries are read and committed a few at a time, all in order', async () => {
  const { database, github, githubAppId, broker, push, rows } = scene;
  const guids: string[] = [];
  for (let at = 0; at < 12; at += 1) guids.push(await push());
  for (const entry of github.state.deliveries) entry.payload = { long: 'a'.repeat(5_000_000) };
  const asApp = await broker.asApp(githubAppId);
  let reading = 0;
  const atOnce: number[] = [];
  const counted: typeof asApp = {
    ...asApp,
    async getHookDelivery(id) {
      reading += 1;
      atOnce.push(reading);
      return asApp.getHookDelivery(id).finally(() => {
        reading -= 1;
      });
    },
  };
  const commits: number[] = [];
  const stored = async () => (await rows()).reduce((sum, { size }) => sum + size, 0);
  const watched: typeof database = Object.create(database, {
    write: {
      value: async (work: Parameters<typeof database.write>[0]) => {
        const before = await stored();
        const result = await database.write(work);
        commits.push((await stored()) - before);
        return result;
      },
    },
  });
  const missed = missedIn((await asApp.listHookDeliveries()).entries, () => false);
  await pull(watched, counted, githubAppId, missed, () => false);
  expect((await rows()).map((row) => row.provider_delivery_id)).toEqual(guids);
  expect(Math.max(...commits)).toBeLessThanOrEqual(8 * 1024 * 1024);
  // The size of the first ones is unknown.
  expect(Math.max(...atOnce.slice(5))).toBe(1);
}, 30_000);

test('the same signed push with another ID counts as the same push, in either order', async () => {
  const { database, github, githubAppId, push, rows, activities } = scene;
  const guid = await push();
  await activities(false).read();
  const [pulled] = await rows();
  const signature = github.state.deliveries[0]?.requestHeaders['x-hub-signature-256'];
  expect(pulled?.content_key).toBe(signature?.replace('sha256=', ''));
  const replayed = {
    githubAppId,
    providerDeliveryId: randomUUID(),
    event: 'push',
    contentKey: pulled?.content_key ?? '',
    headers: {},
    body: Buffer.from('{}'),
  };
  const [stored] = await database.write((trx) => storeDeliveries(trx, [replayed]));
  expect(stored).toEqual({ id: pulled?.id, duplicate: true, differs: false });
  expect((await rows()).map((row) => row.provider_delivery_id)).toEqual([guid]);
});

test('a failed delivery is decided again, but not every few seconds', async () => {
  const { database, push, rows, activities, follow } = scene;
  const guid = await push();
  const { read } = activities(false);
  await read();
  const set = (status: 'failed' | 'processed') =>
    database.write((trx) => trx('deliveries').update({ status, reason: 'decision_failed', attempts: 8 }));
  await set('failed');
  await follow(0);
  expect(await rows()).toMatchObject([{ provider_delivery_id: guid, status: 'failed' }]);
  await read();
  expect(await rows()).toMatchObject([{ provider_delivery_id: guid, status: 'received', attempts: 0, reason: null }]);
  await set('processed');
  await read();
  expect(await rows()).toMatchObject([{ status: 'processed' }]);
});
