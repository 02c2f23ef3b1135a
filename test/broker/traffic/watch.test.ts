import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { watchTraffic } from '../../../broker/traffic/watch.ts';
import { githubAppsIn } from '../../../db/github/github-apps.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { silent } from '../../support/hooks.ts';
import { addOrg } from '../../support/scenes/tenants.ts';

let database: TestDatabase;
let orgId: string;

beforeAll(async () => {
  database = await openTestDatabase();
  orgId = await addOrg(database);
});
afterAll(() => database?.drop());
beforeEach(() => database.write((trx) => trx('incidents').delete()));

const app = (host: string, owner: string | null, appId: number) =>
  database.write((trx) =>
    githubAppsIn(trx).insert({
      orgId: owner,
      hostUrl: host,
      apiUrl: `${host}/api/v3`,
      appId,
      slug: 'fairlead',
      name: 'Fairlead',
      clientId: null,
    }),
  );
const seen = async () => {
  const rows = await database.reader('incidents').orderBy('id');
  return rows.map(({ code, subject_id, org_id, status, count }) => [code, subject_id, org_id, status, count]);
};
const soon = (expected: unknown[][]) => expect.poll(seen, { timeout: 5_000 }).toEqual(expected);

test('opens one incident for an outage after a minute, and resolves it with the first success in any process', async () => {
  await app('https://git.one.example', orgId, 1);
  const clock = { ms: 0 };
  const [one, other] = [1, 2].map(() => watchTraffic(database, silent, () => clock.ms));
  const host = 'https://git.one.example';
  one?.down(host, 59_000);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(await seen()).toEqual([]);
  for (let forMs = 60_000; forMs < 70_000; forMs += 1_000) one?.down(host, forMs);
  await soon([['host_unavailable', host, orgId, 'open', 1]]);
  other?.up(host);
  await soon([['host_unavailable', host, orgId, 'resolved', 1]]);
  one?.down(host, 200_000);
  one?.up(host);
  one?.down(host, 60_000);
  await soon([
    ['host_unavailable', host, orgId, 'resolved', 1],
    ['host_unavailable', host, orgId, 'open', 1],
  ]);
  one?.up(host);
  await expect.poll(async () => (await seen()).at(-1)?.[3]).toBe('resolved');
});

test('names the host with its port', async () => {
  const host = 'https://git.three.example:8443';
  await app(host, orgId, 1);
  watchTraffic(database, silent).down(host, 61_000);
  const title = async () => (await database.reader('incidents').where({ subject_id: host }).first())?.title;
  await expect.poll(title, { timeout: 5_000 }).toBe('git.three.example:8443 cannot be reached, or fails');
});

test('opens an instance-wide incident for a shared host, and none for a host that no one has connected', async () => {
  await app('https://git.two.example', orgId, 1);
  await app('https://git.two.example', null, 2);
  const watch = watchTraffic(database, silent);
  watch.down('https://somebody-tried.example', 90_000);
  watch.down('https://git.two.example', 90_000);
  await soon([['host_unavailable', 'https://git.two.example', null, 'open', 1]]);
});

test('opens one incident of the instance for a wrong clock, until it is within a minute again', async () => {
  const watch = watchTraffic(database, silent);
  watch.clock(59_000);
  watch.clock(-900_000);
  watch.clock(-901_000);
  await soon([['clock_skew', 'instance', null, 'open', 1]]);
  expect(await database.reader('incidents').first('title', 'action')).toEqual({
    title: 'The clock of this machine is 900 s behind',
    action: 'Enable NTP on the Fairlead host.',
  });
  watch.clock(0);
  await soon([['clock_skew', 'instance', null, 'resolved', 1]]);
});
