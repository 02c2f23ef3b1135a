import { afterEach, beforeEach, expect, test } from 'vitest';
import { connect, type Database } from '../../../db/store/connection.ts';
import { migrate, pendingMigrations, rollBack } from '../../../db/store/migrate.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';

let database: TestDatabase;
let others: Database[];
beforeEach(async () => {
  database = await openTestDatabase();
  await rollBack(database);
  others = [0, 1, 2, 3].map(() => connect(database.source));
});
afterEach(async () => {
  await Promise.all(others.map((other) => other.close()));
  await database.drop();
});

test('a lock that a killed migration left behind does not stop the next one', async () => {
  await database.migrationPool('migrations_lock').update({ is_locked: 1 });
  expect(await migrate(database)).not.toHaveLength(0);
  expect(await pendingMigrations(database)).toBe(0);
});

test('of several that migrate at once each waits for the one before, and each migration is run once', async () => {
  const ran = await Promise.all(others.map((other) => migrate(other)));
  expect(ran.filter((names) => names.length > 0)).toHaveLength(1);
  expect(await pendingMigrations(database)).toBe(0);
});

test('and so on a database where there is nothing yet, not even the list of migrations', async () => {
  for (const table of ['migrations', 'migrations_lock']) await database.migrationPool.schema.dropTable(table);
  const ran = await Promise.all(others.map((other) => migrate(other)));
  expect(ran.filter((names) => names.length > 0)).toHaveLength(1);
});
