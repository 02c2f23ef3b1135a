import { randomUUID } from 'node:crypto';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { deliveryActivities } from '../../activities/deliveries.ts';
import { withFailures } from '../../activities/failures.ts';
import { followLogs } from '../../activities/recovery/follow-log.ts';
import type { LogReading } from '../../activities/recovery/read-log.ts';
import type { GitHubBroker } from '../../broker/github.ts';
import { deliveryLogIn } from '../../db/delivery-log.ts';
import { refHeadsIn } from '../../db/ref-heads.ts';
import { storeDeliveries } from '../../db/store-deliveries.ts';
import {
  type App,
  type GitHubStandIn,
  type Installation,
  type Repository,
  startGitHub,
} from '../../stand-ins/github/stand-in.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { addOperatorApp, brokerTo, sync } from '../support/operator-app.ts';
import { seed } from '../support/seed.ts';

const minute = 60_000;
const day = 24 * 60 * minute;

let database: TestDatabase;
let github: GitHubStandIn;
let theirs: App;
let installation: Installation;
let repository: Repository;
let githubAppId: string;
let broker: GitHubBroker;

beforeEach(async () => {
  database = await openTestDatabase();
  github = await startGitHub();
  theirs = github.addApp();
  // Nobody listens there.
  theirs.hookUrl = 'https://nowhere.invalid/hook';
  installation = github.addInstallation(theirs);
  repository = github.addRepository(installation);
  ({ id: githubAppId } = await addOperatorApp(database, github, { theirs }));
  broker = brokerTo(database, github);
});
afterEach(async () => {
  await database.drop();
  await github.close();
});

const push = async (guid = randomUUID() as string) => {
  const payload = github.push(repository, { ref: 'refs/heads/main' });
  await github.sendWebhook({ app: theirs, event: 'push', payload, guid }).catch(() => {});
  return guid;
};
const rows = () => database.reader('deliveries').orderBy('id');
const watermark = () => deliveryLogIn(database.reader).completeUntil(githubAppId);
const asked = (path: RegExp, method = 'GET') => github.requests({ method, path }).length;

function activities(reachable: boolean) {
  const environment = new MockActivityEnvironment();
  const all = withFailures(deliveryActivities({ database, broker, reachable }));
  const run = async <Input, Result>(activity: (input: Input) => Promise<Result>, input: Input) =>
    (await environment.run(async () => activity(input))) as Result;
  return {
    read: (cursor?: string) =>
      run(all.readDeliveryLog, { githubAppId, begunAt: Date.now(), ...(cursor !== undefined && { cursor }) }),
    begin: () => run(all.beginRecovery, { githubAppId }),
    fillGap: (repositoryId: string, ownerId: string) => run(all.fillGap, { repositoryId, ownerId }),
  };
}

test('where nobody can reach us, what is in the log is read out of it, oldest first and once', async () => {
  const guids = [await push(), await push(), await push()];
  const { read } = activities(false);
  expect(await read()).toEqual({ recovered: 3, sentAgain: 0, next: null, again: false });
  const stored = await rows();
  expect(stored.map((row) => row.provider_delivery_id)).toEqual(guids);
  expect(stored.every(({ origin, status }) => origin === 'pulled' && status === 'received')).toBe(true);
  const body = await database.reader('delivery_bodies').orderBy('delivery_id').first();
  expect(JSON.parse(String(body?.body))).toMatchObject({
    ref: 'refs/heads/main',
    installation: { id: installation.id },
  });
  // The signature is nobody's business any more.
  expect(Object.keys(JSON.parse(stored[0]?.headers ?? '{}')).sort()).toEqual([
    'x-github-hook-id',
    'x-github-hook-installation-target-id',
    'x-github-hook-installation-target-type',
  ]);

  expect(await read()).toMatchObject({ recovered: 0 });
  expect(asked(/^\/app\/hook\/deliveries\/\d+$/)).toBe(3);
  expect(asked(/attempts$/, 'POST')).toBe(0);
});

test('what is here already, by webhook, is not read; a success in the log that never arrived is', async () => {
  const [here, swallowed] = [await push(), await push()];
  // A proxy in between answered in our name.
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

test('where GitHub can reach us it is asked to send again; what does not come then is read', async () => {
  const guid = await push();
  const { read } = activities(true);
  expect(await read()).toMatchObject({ recovered: 0, sentAgain: 1, again: false });
  expect(await rows()).toEqual([]);
  // The watermark stays before what is on its way.
  const sentFirst = github.state.deliveries[0]?.deliveredAt ?? 0;
  expect(await watermark()).toBeLessThan(sentFirst);
  await expect.poll(() => github.state.deliveries.length).toBe(2);
  expect(await read()).toMatchObject({ recovered: 1, sentAgain: 0 });
  expect((await rows()).map((row) => row.provider_delivery_id)).toEqual([guid]);
});

test('GitHub refusing to send again does not matter: it is read', async () => {
  await push();
  github.faults.add({ method: 'POST', path: /attempts$/, kind: 'status', status: 422, times: 9 });
  expect(await activities(true).read()).toMatchObject({ recovered: 1, sentAgain: 0 });
});

test('a log of thousands is read part by part, and the watermark moves at its very end', async () => {
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

test('a reading that breaks off keeps what it has, and the next one gets the rest', async () => {
  for (let at = 0; at < 40; at += 1) await push();
  const later = new RegExp(`deliveries/${github.state.deliveries[30]?.id}$`);
  github.faults.add({ method: 'GET', path: later, kind: 'status', status: 503, times: 1 });
  const { read } = activities(false);
  await expect(read()).rejects.toMatchObject({ type: 'unavailable' });
  expect((await rows()).length).toBe(25);
  expect(await watermark()).toBeUndefined();
  expect(await read()).toMatchObject({ recovered: 15, again: false });
  expect((await rows()).length).toBe(40);
});

test('of several processes one reads a log at a time, and an App that cannot be read holds up no other', async () => {
  await push();
  const broken = github.addApp();
  await addOperatorApp(database, github, { theirs: broken });
  github.state.apps.delete(broken.appId);
  const troubles: string[] = [];
  const follow = () =>
    followLogs({ database, broker, reachable: false }, { everyMs: 5_000, onTrouble: (id) => troubles.push(id) });
  expect((await Promise.all([follow(), follow(), follow()])).filter(Boolean).length).toBe(1);
  expect(troubles.length).toBe(1);
  expect((await rows()).length).toBe(1);
  expect(await follow()).toBe(false);
});

test('past the window one push is made of each branch that has moved, to its newest head', async () => {
  await sync(database, broker, githubAppId);
  const seeds = seed(database);
  const mine = await seeds.org();
  const repositoryRow = await database.reader('repositories').first();
  const installationRow = await database.reader('installations').first();
  const [repositoryId, installationId] = [repositoryRow?.id ?? '', installationRow?.id ?? ''];
  const integrationId = await seeds.integration({ ...mine, githubAppId, installationId });
  await seeds.app({ ...mine, integrationId, repositoryId });
  await database.write((trx) => trx('installations').update({ org_id: mine.orgId }));

  const { begin, fillGap } = activities(true);
  expect((await begin()).gaps).toEqual([]);
  await database.write((trx) => deliveryLogIn(trx).advance(githubAppId, 1));
  await database.write((trx) => trx('delivery_watermarks').update({ complete_until: Date.now() - 4 * day }));
  expect((await begin()).gaps).toEqual([{ repositoryId, ownerId: mine.projectId }]);

  // Nothing was ever decided: nobody can tell what is new.
  expect(await fillGap(repositoryId, mine.projectId)).toBe(0);
  const old = 'a'.repeat(40);
  const note = (ref: string, sha: string) =>
    database.write((trx) => refHeadsIn(trx).note(repositoryId, { ref, sha, origin: 'webhook' }, 1));
  await note('refs/heads/main', old);
  repository.branches.set('still', 'b'.repeat(40));
  await note('refs/heads/still', 'b'.repeat(40));
  repository.branches.set('never-decided', 'c'.repeat(40));
  expect(await fillGap(repositoryId, mine.projectId)).toBe(1);
  // Once more, as after a crash: the same push.
  expect(await fillGap(repositoryId, mine.projectId)).toBe(1);
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
