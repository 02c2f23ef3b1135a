import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRelay } from '../../../worker/relay/relay.ts';
import { startApi } from '../../support/api.ts';
import { connectAgain, openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { createFakeTemporal } from '../../support/fakes/fake-temporal.ts';
import { addGithubApp, hookHeaders, sign, silent } from '../../support/hooks.ts';
import { postgresUrl } from '../../support/programs/postgres-server.ts';
import { type World, world } from '../../support/scenes/world.ts';

const appId = 31;
const secret = 'a webhook secret of the test';

let database: TestDatabase;
let of: World;
let urls: string[];
const stops: (() => Promise<unknown>)[] = [];
const temporal = createFakeTemporal();

beforeAll(async () => {
  database = await openTestDatabase();
  stops.push(() => database.drop());
  const githubAppId = (await addGithubApp(database, { appId, secret })).id;
  of = await world(database, { githubAppId });
  await of.newPipeline();

  // Starts two APIs and two relays. On Postgres each pair has its own connections, like separate processes.
  urls = [];
  for (let n = 0; n < 2; n++) {
    const own = postgresUrl ? { ...database, ...connectAgain(database.source) } : database;
    if (own !== database) stops.push(() => own.close());
    const api = await startApi({ database: own });
    const relay = createRelay({ database: own, temporal: temporal.starter, logger: silent, registry: new Registry() });
    await relay.start();
    stops.push(api.close, relay.stop);
    urls.push(api.hookUrl);
  }
});
afterAll(async () => {
  for (const stop of stops.reverse()) await stop();
});

const push = (sha: string) =>
  JSON.stringify({
    ref: 'refs/heads/main',
    before: '0'.repeat(40),
    after: sha.repeat(40),
    head_commit: { id: sha.repeat(40), message: 'One of many' },
    repository: { id: of.repository },
    installation: { id: of.installation },
  });

async function post(body: string, headers: Record<string, string>, n: number): Promise<number> {
  const response = await fetch(urls[n % 2] ?? '', { method: 'POST', body, headers });
  await response.text();
  return response.status;
}

async function buildsOf(sha: string): Promise<string[]> {
  return (await database.reader('builds').where({ sha: sha.repeat(40) })).map(({ id }) => id);
}

const startsOf = (builds: string[]) =>
  temporal.handed.filter(({ workflowId }) => builds.some((id) => workflowId === `build/${id}`)).length;

/** Relays take deliveries and commands oldest first: once a later push has started, nothing earlier is due. */
async function nothingOwedBefore(sha: string): Promise<void> {
  const body = push(sha);
  await post(body, hookHeaders({ appId, event: 'push', signature: sign(secret, body) }), 0);
  await expect.poll(async () => startsOf(await buildsOf(sha)), { timeout: 10_000 }).toBe(1);
  // On Postgres another relay can still hold an earlier row. The lock waits for it.
  const undecided = () => database.write((trx) => trx('deliveries').where({ status: 'received' }).forUpdate());
  await expect.poll(undecided).toEqual([]);
  const owed = () => database.reader('commands').where({ workflow: 'dispatchBuild', status: 'pending' });
  await expect.poll(owed).toEqual([]);
}

test('makes one build and one start of a push that is sent 200 times in parallel', async () => {
  const body = push('a');
  const headers = hookHeaders({ appId, event: 'push', signature: sign(secret, body) });
  const statuses = await Promise.all(Array.from({ length: 200 }, (_, n) => post(body, headers, n)));
  expect(new Set(statuses)).toEqual(new Set([202]));
  await expect.poll(() => buildsOf('a')).toHaveLength(1);
  const builds = await buildsOf('a');
  await expect.poll(() => startsOf(builds)).toBe(1);
  // Repeats the delivery much later.
  expect(await post(body, headers, 0)).toBe(202);
  await nothingOwedBefore('d');
  expect(await buildsOf('a')).toEqual(builds);
  expect(startsOf(builds)).toBe(1);
});

test('makes one build of the same signed body under 50 new IDs', async () => {
  const body = push('b');
  const signature = sign(secret, body);
  const statuses = await Promise.all(
    Array.from({ length: 50 }, (_, n) => post(body, hookHeaders({ appId, event: 'push', signature }), n)),
  );
  expect(new Set(statuses)).toEqual(new Set([202]));
  await expect.poll(() => buildsOf('b')).toHaveLength(1);
  await nothingOwedBefore('e');
  const builds = await buildsOf('b');
  expect(builds).toHaveLength(1);
  expect(startsOf(builds)).toBe(1);
});

test('accepts 100 pushes during an outage of Temporal and builds them afterwards', async () => {
  temporal.setAway(true);
  const bodies = Array.from({ length: 100 }, (_, n) => push('c').replace('One of many', `Push ${n}`));
  const statuses = await Promise.all(
    bodies.map((body, n) => post(body, hookHeaders({ appId, event: 'push', signature: sign(secret, body) }), n)),
  );
  expect(new Set(statuses)).toEqual(new Set([202]));
  await expect.poll(() => buildsOf('c'), { timeout: 10_000 }).toHaveLength(100);
  const builds = await buildsOf('c');
  // The relay has tried again to start the builds, and Temporal was still away.
  const before = temporal.refusals;
  await expect.poll(() => temporal.refusals, { timeout: 10_000 }).toBeGreaterThan(before);
  expect(startsOf(builds)).toBe(0);
  temporal.setAway(false);
  await expect.poll(() => startsOf(builds), { timeout: 15_000 }).toBe(100);
});
