import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { GithubApp } from '../../../db/github/github-apps.ts';
import { repositoriesIn, type SeenRepository } from '../../../db/github/repositories.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { addGithubApp } from '../../support/hooks.ts';
import { seed } from '../../support/scenes/seed.ts';

let database: TestDatabase;
let app: GithubApp;
let installationId: string;
let integrationId: string;
let number = 0;

beforeAll(async () => {
  database = await openTestDatabase();
  app = await addGithubApp(database, { appId: 1, secret: 'secret of the test' });
});

beforeEach(async () => {
  number += 10;
  const rows = seed(database);
  installationId = await rows.installation(app.id, number);
  integrationId = await rows.integration({ ...(await rows.org()), githubAppId: app.id, installationId });
});

afterAll(() => database?.drop());

/** How GitHub describes the repository with this number. */
const described = (external: number, name: string, owner = 'acme'): SeenRepository => ({
  externalId: number + external,
  owner,
  name,
  fullName: `${owner}/${name}`,
  url: `https://github.com/${owner}/${name}`,
  visibility: 'private',
  defaultBranch: 'main',
  archived: false,
});
/** Stores the repositories as a pass does that reads them: the first is the one with the number 1, and so on. */
const read = (...names: string[]) =>
  database.write((trx) => {
    const seen = names.map((name, at) => described(at + 1, name));
    return repositoriesIn(trx).upsert(app.id, installationId, seen, {});
  });
/** Returns which repository each name leads to, by its number, or undefined. */
async function found(...names: string[]): Promise<(number | undefined)[]> {
  const byName = await repositoriesIn(database.reader).findAllByName(integrationId, names);
  return names.map((name) => byName.get(name.toLowerCase())).map((one) => one && one.externalId - number);
}
const idOf = async (external: number) => {
  const repository = await repositoriesIn(database.reader).findReachable(integrationId, number + external);
  return repository?.id ?? '';
};

test('a repository is found by its former names after a sync, a change of its description, and a new name of its owner', async () => {
  await read('Widgets', 'lib');
  await read('gadgets', 'lib');
  const id = await idOf(1);
  await database.write((trx) => repositoriesIn(trx).updateDescription(id, described(1, 'things')));
  await database.write((trx) => repositoriesIn(trx).renameOwner(installationId, 'umbrella', 'https://github.com'));
  expect(await found('acme/widgets', 'ACME/Gadgets', 'acme/things', 'umbrella/things')).toEqual([1, 1, 1, 1]);
  expect(await found('acme/lib', 'umbrella/lib', 'acme/nothing')).toEqual([2, 2, undefined]);
});

test('a name that another repository takes leads to that one, also after it is renamed', async () => {
  await read('widgets', 'lib');
  await read('gadgets', 'widgets');
  expect(await found('acme/widgets', 'acme/gadgets', 'acme/lib')).toEqual([2, 1, 2]);
  await read('gadgets', 'tools');
  expect(await found('acme/widgets', 'acme/tools')).toEqual([2, 2]);
});

test('two repositories that swap their names are found by the names they have', async () => {
  await read('one', 'two');
  await read('two', 'one');
  expect(await found('acme/one', 'acme/two')).toEqual([2, 1]);
});

test('a name that a removed repository took does not lead to the one before', async () => {
  await read('widgets');
  await read('gadgets', 'widgets');
  await database.write((trx) => repositoriesIn(trx).markRemoved(app.id, [number + 2]));
  expect(await found('acme/widgets', 'acme/gadgets')).toEqual([undefined, 1]);
});

test('a repository of another integration is not found by its former name', async () => {
  await read('widgets');
  await read('gadgets');
  const rows = seed(database);
  const elsewhere = await rows.installation(app.id, number + 5);
  const other = await rows.integration({ ...(await rows.org()), githubAppId: app.id, installationId: elsewhere });
  expect((await repositoriesIn(database.reader).findAllByName(other, ['acme/widgets'])).size).toBe(0);
});

test('a name that comes back is a present name again', async () => {
  await read('widgets');
  await read('gadgets');
  await read('widgets');
  expect(await found('acme/widgets', 'acme/gadgets')).toEqual([1, 1]);
  expect(await database.reader('repository_names').where({ repository_id: await idOf(1) })).toHaveLength(1);
});
