import { afterEach, beforeEach, expect, test } from 'vitest';
import { bootstrap, createSignInCode } from '../../../db/people/bootstrap.ts';
import { sessionsIn } from '../../../db/people/sessions.ts';
import { usersIn } from '../../../db/people/users.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';

let database: TestDatabase;

beforeEach(async () => {
  database = await openTestDatabase();
});
afterEach(() => database.drop());

const count = async (table: 'orgs' | 'projects' | 'users' | 'memberships') => (await database.reader(table)).length;

test('creates one organization, project and owner at the first start of any number of processes', async () => {
  const made = await Promise.all(Array.from({ length: 8 }, () => bootstrap(database)));
  const [{ ownerId } = { ownerId: '' }] = made;
  expect(new Set(made.map((one) => one.ownerId))).toEqual(new Set([ownerId]));
  expect(await Promise.all([count('orgs'), count('projects'), count('users'), count('memberships')])).toEqual([
    1, 1, 1, 1,
  ]);
  const owner = await usersIn(database.reader).find(ownerId);
  expect(owner).toMatchObject({ ops: true, memberships: [{ role: 'owner' }] });
});

test('changes nothing at a later start, and signs in the same owner', async () => {
  const { ownerId } = await bootstrap(database);
  await database.write((trx) => trx('orgs').update({ name: 'Renamed' }));
  expect(await bootstrap(database)).toEqual({ ownerId });
  expect((await database.reader('orgs')).map(({ name }) => name)).toEqual(['Renamed']);
  const code = await createSignInCode(database, ownerId);
  expect(await database.write((trx) => sessionsIn(trx).redeem(code))).toBe(ownerId);
});

test('deletes expired codes when it creates the next one', async () => {
  const { ownerId } = await bootstrap(database);
  await createSignInCode(database, ownerId);
  await database.write((trx) => trx('sign_in_links').update({ expires_at: Date.now() - 1 }));
  await createSignInCode(database, ownerId);
  expect(await database.reader('sign_in_links')).toHaveLength(1);
});
