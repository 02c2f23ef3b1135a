import { afterEach, beforeEach, expect, test } from 'vitest';
import { deliveryLogIn } from '../../../db/deliveries/delivery-log.ts';
import { headChecksIn, refHeadsIn } from '../../../db/deliveries/ref-heads.ts';
import { minute, type RecoveryScene, startRecoveryScene } from '../../support/scenes/recovery-scene.ts';
import { sync } from '../../support/scenes/sync-pass.ts';
import { world } from '../../support/scenes/world.ts';

const day = 24 * 60 * minute;

let scene: RecoveryScene;
beforeEach(async () => {
  scene = await startRecoveryScene();
});
afterEach(() => scene?.end());

/** Creates an app whose source is the repository, and returns the IDs. */
async function addSource() {
  const { database, githubAppId, broker } = scene;
  await sync(database, broker, githubAppId);
  const repository = await database.reader('repositories').first();
  const installation = await database.reader('installations').first();
  const [repositoryId, installationId] = [repository?.id ?? '', installation?.id ?? ''];
  const { projectId } = await world(database, { on: { githubAppId, installationId, repositoryId } });
  return { repositoryId, ownerId: projectId };
}

const fallBehind = () =>
  scene.database.write((trx) =>
    trx('delivery_watermarks').update({ complete_until: Date.now() - 4 * day, polled_at: 0 }),
  );

test('after the log’s window, each changed branch gets one push to its newest head', async () => {
  const { database, installation, repository, githubAppId, rows, activities } = scene;
  const { repositoryId, ownerId } = await addSource();
  const { begin, fillGap } = activities(true);
  expect((await begin()).gaps).toEqual([]);
  await database.write((trx) => deliveryLogIn(trx).advance(githubAppId, 1));
  await fallBehind();
  expect((await begin()).gaps).toEqual([{ repositoryId, ownerId }]);

  // No push was ever decided, so nothing shows what is new.
  expect(await fillGap(repositoryId, ownerId)).toBe(0);
  const want = () => database.write((trx) => headChecksIn(trx).want(githubAppId));
  const old = 'a'.repeat(40);
  const note = (ref: string, sha: string) =>
    database.write((trx) => refHeadsIn(trx).note(repositoryId, { ref, sha, origin: 'webhook', pushedAt: 1 }));
  await note('refs/heads/main', old);
  repository.branches.set('still', 'b'.repeat(40));
  await note('refs/heads/still', 'b'.repeat(40));
  repository.branches.set('never-decided', 'c'.repeat(40));
  // Nothing is read that is not on the list.
  expect(await fillGap(repositoryId, ownerId)).toBe(0);
  await want();
  expect(await fillGap(repositoryId, ownerId)).toBe(1);
  // Again, as after a crash: the same push.
  await want();
  expect(await fillGap(repositoryId, ownerId)).toBe(1);
  const [row, ...others] = await rows();
  expect(others).toEqual([]);
  expect(row).toMatchObject({ origin: 'synthetic', event: 'push', status: 'received' });
  const body = await database.reader('delivery_bodies').first();
  expect(JSON.parse(String(body?.body))).toMatchObject({
    ref: 'refs/heads/main',
    before: old,
    after: repository.branches.get('main'),
    repository: { id: repository.id },
    installation: { id: installation.id },
  });
});

test('the heads are read until that succeeds, even if another reader moved the watermark', async () => {
  const { database, github, githubAppId, watermark, activities, follow } = scene;
  const gap = await addSource();
  const { repositoryId, ownerId } = gap;
  await database.write(async (trx) => {
    await deliveryLogIn(trx).advance(githubAppId, 1);
    await refHeadsIn(trx).note(repositoryId, {
      ref: 'refs/heads/main',
      sha: 'a'.repeat(40),
      origin: 'webhook',
      pushedAt: 1,
    });
  });
  await fallBehind();
  await follow(5_000);
  expect(await watermark()).toBeGreaterThan(Date.now() - 5 * minute);

  const { begin, fillGap } = activities(false);
  expect((await begin()).gaps).toEqual([gap]);
  github.faults.add({ method: 'GET', path: /branches/, kind: 'status', status: 503, times: 1 });
  await expect(fillGap(repositoryId, ownerId)).rejects.toMatchObject({ type: 'unavailable' });
  expect((await begin()).gaps).toEqual([gap]);
  expect(await fillGap(repositoryId, ownerId)).toBe(1);
  expect((await begin()).gaps).toEqual([]);
});

test('a repository that is no longer reachable is not read repeatedly', async () => {
  const { database, githubAppId, activities } = scene;
  const gap = await addSource();
  const { repositoryId, ownerId } = gap;
  await database.write(async (trx) => {
    await deliveryLogIn(trx).advance(githubAppId, 1);
    await refHeadsIn(trx).note(repositoryId, {
      ref: 'refs/heads/main',
      sha: 'a'.repeat(40),
      origin: 'webhook',
      pushedAt: 1,
    });
    await trx('installations').update({ suspended_at: 1 });
  });
  await fallBehind();
  const { begin, fillGap } = activities(true);
  expect((await begin()).gaps).toEqual([gap]);
  await database.write((trx) => deliveryLogIn(trx).advance(githubAppId, Date.now()));
  await expect(fillGap(repositoryId, ownerId)).rejects.toMatchObject({
    type: 'installation_suspended',
    nonRetryable: true,
  });
  expect((await begin()).gaps).toEqual([]);
});
