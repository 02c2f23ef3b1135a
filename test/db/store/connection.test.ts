import { afterAll, beforeAll, expect, test } from 'vitest';
import { migrate, pendingMigrations, rollBack } from '../../../db/store/migrate.ts';
import { wake } from '../../../db/store/wakes.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.drop());

test('every migration can be undone and done again', async () => {
  expect(await pendingMigrations(database)).toBe(0);
  await rollBack(database);
  expect(await pendingMigrations(database)).toBeGreaterThan(0);
  expect(await migrate(database)).not.toHaveLength(0);
});

test('two hundred transactions that read before they write all succeed and count right', async () => {
  await database.write(async (trx) => {
    await trx('instance').insert({ key: 'counter', value: '0' });
  });
  await Promise.all(
    Array.from({ length: 200 }, () =>
      database.write(async (trx) => {
        const query = trx('instance').where({ key: 'counter' }).first();
        const row = await (database.dialect === 'postgres' ? query.forUpdate() : query);
        await trx('instance')
          .where({ key: 'counter' })
          .update({ value: String(Number(row?.value) + 1) });
      }),
    ),
  );
  const row = await database.reader('instance').where({ key: 'counter' }).first();
  expect(row?.value).toBe('200');
});

test('a listener wakes after a commit that woke its topic, and not after one that rolled back', async () => {
  let woken = 0;
  const stop = database.onWake('commands', () => {
    woken += 1;
  });
  // On Postgres the listening connection needs a moment to be there.
  await new Promise((resolve) => setTimeout(resolve, 300));
  await database
    .write(async (trx) => {
      wake(trx, 'commands');
      throw new Error('rolled back');
    })
    .catch(() => {});
  await database.write(async (trx) => wake(trx, 'commands'));
  await expect.poll(() => woken).toBe(1);
  stop();
});
