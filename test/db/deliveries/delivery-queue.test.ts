import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deliveryQueue } from '../../../db/deliveries/delivery-queue.ts';
import { storeDeliveries } from '../../../db/deliveries/store-deliveries.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { addGithubApp } from '../../support/hooks.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.drop());

test('lists the GitHub Apps with undecided deliveries in turns, so that each comes first at some time', async () => {
  const apps: string[] = [];
  for (let n = 0; n < 3; n += 1)
    apps.push((await addGithubApp(database, { appId: 900_000 + n, secret: 'q8Zr2mVx7Lw0TnKc5Hs9Yb4F' })).id);
  const delivery = { event: 'push', contentKey: null, headers: {}, body: Buffer.from('{}') };
  await database.write((trx) =>
    storeDeliveries(
      trx,
      [...apps, ...apps].map((githubAppId) => ({ ...delivery, githubAppId, providerDeliveryId: randomUUID() })),
    ),
  );
  const [first = '', second = '', third = ''] = apps.sort();
  const queue = deliveryQueue(database.reader);
  expect(await queue.apps('')).toEqual([first, second, third]);
  expect(await queue.apps(first)).toEqual([second, third, first]);
  expect(await queue.apps(third)).toEqual([first, second, third]);
});
