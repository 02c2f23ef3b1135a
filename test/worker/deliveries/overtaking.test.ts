import { randomUUID } from 'node:crypto';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { storeDeliveries } from '../../../db/deliveries/store-deliveries.ts';
import { createRelay, type Relay } from '../../../worker/relay/relay.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { createFakeTemporal } from '../../support/fakes/fake-temporal.ts';
import { addGithubApp, silent } from '../../support/hooks.ts';
import { world } from '../../support/scenes/world.ts';

let database: TestDatabase;
let relay: Relay;
let githubAppId: string;

beforeAll(async () => {
  database = await openTestDatabase();
  githubAppId = (await addGithubApp(database, { appId: 1, secret: 'secret of the test' })).id;
  const temporal = createFakeTemporal().starter;
  relay = createRelay({ database, temporal, logger: silent, registry: new Registry(), patienceMs: 8_000 });
  await relay.start();
});
afterAll(async () => {
  await relay.stop();
  await database.drop();
});

async function store(repository: number): Promise<string> {
  const payload = {
    ref: 'refs/heads/main',
    after: 'a'.repeat(40),
    repository: { id: repository },
    installation: { id: 5 },
  };
  const delivery = {
    githubAppId,
    providerDeliveryId: randomUUID(),
    event: 'push',
    contentKey: null,
    headers: {},
    body: Buffer.from(JSON.stringify(payload)),
  };
  const [stored] = await database.write((trx) => storeDeliveries(trx, [delivery]));
  return stored?.id ?? '';
}

const rowOf = (id: string) => database.reader('deliveries').where({ id }).first();

test('decides a push that overtook the sync once its repository is known, and ignores a hopeless one', async () => {
  const [overtaking, hopeless] = [await store(50), await store(51)];
  // There are several requests if the relay has sent the first one before it looks at the second delivery.
  const requests = () => database.reader('commands').where({ workflow: 'syncInstallations' }).pluck('signal');
  await expect.poll(requests).toContain('requested');
  expect((await rowOf(overtaking))?.status).toBe('received');

  // Adds what the sync and a person would add.
  const theirs = { installation: { id: 5 }, repository: { id: 50 } };
  await (await world(database, { githubAppId, theirs })).newPipeline();

  await expect.poll(async () => (await rowOf(overtaking))?.reason, { timeout: 6_000 }).toBe('builds_created');
  expect((await rowOf(hopeless))?.status).toBe('received');
  await expect.poll(async () => (await rowOf(hopeless))?.reason, { timeout: 12_000 }).toBe('repository_unknown');
});
