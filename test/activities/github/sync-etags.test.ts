import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { GitHubBroker } from '../../../broker/github/github.ts';
import { repositoriesIn } from '../../../db/github/repositories.ts';
import { allOperations } from '../../../db/ops/operations.ts';
import type { App, GitHubStandIn, Installation, Repository } from '../../../stand-ins/github/stand-in.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { startGitHub } from '../../support/github.ts';
import { addOperatorApp, brokerTo } from '../../support/scenes/operator-app.ts';
import { sync, syncActivities } from '../../support/scenes/sync-pass.ts';

let database: TestDatabase;
let github: GitHubStandIn;
let broker: GitHubBroker;
let app: { id: string; theirs: App };
let installation: Installation;
let repositories: Repository[];

beforeAll(async () => {
  [database, github] = await Promise.all([openTestDatabase(), startGitHub()]);
  broker = brokerTo(database, github);
});

beforeEach(async () => {
  app = await addOperatorApp(database, github);
  installation = github.addInstallation(app.theirs);
  repositories = Array.from({ length: 250 }, () => github.addRepository(installation));
});

afterEach(() => {
  expect(github.violations).toEqual([]);
  github.faults.clear();
});

afterAll(async () => {
  await github?.close();
  await database?.drop();
});

/** Runs a pass and returns the statuses of the repository pages, in order. */
async function pass(): Promise<number[]> {
  const before = github.ledger.length;
  await sync(database, broker, app.id);
  return pagesSince(before);
}

const pagesSince = (before: number) =>
  github.ledger
    .slice(before)
    .filter(({ path }) => path === '/installation/repositories')
    .map(({ status }) => status);

const rows = () => database.reader('repositories').where({ github_app_id: app.id });
const within = async () => (await rows()).filter(({ removed_at }) => removed_at === null);
const rowOf = ({ id }: Repository) =>
  database.reader('repositories').where({ github_app_id: app.id, external_id: id }).first();
const passNow = async () => (await database.reader('github_apps').where({ id: app.id }).first())?.sync_pass;
const installationRow = async ({ id }: Installation) => {
  const row = await database.reader('installations').where({ github_app_id: app.id, external_id: id }).first();
  if (!row) throw new Error('no such installation');
  return row;
};
const edit = (work: Parameters<TestDatabase['write']>[0]) => database.write(work);

describe('a second pass', () => {
  test('without changes gets 304 for every page, and marks every repository as seen', async () => {
    expect(await pass()).toEqual([200, 200, 200]);
    expect(await pass()).toEqual([304, 304, 304]);
    const seen = (await within()).map(({ seen_pass }) => seen_pass);
    expect(seen).toHaveLength(250);
    expect(new Set(seen)).toEqual(new Set([await passNow()]));
  });

  test('reads only the page with a renamed repository', async () => {
    await pass();
    const [renamed] = repositories.slice(120);
    if (renamed) github.renameRepository(renamed, 'other');
    expect(await pass()).toEqual([304, 200, 304]);
    expect(await rowOf(renamed as Repository)).toMatchObject({ full_name: 'acme/other', removed_at: null });
    expect(await within()).toHaveLength(250);
  });

  test('removes a repository after it was missing twice, and the second check costs nothing', async () => {
    await pass();
    const [taken] = repositories.slice(3);
    github.removeRepository(taken as Repository);
    expect(await pass()).toEqual([200, 200, 200, 304, 304, 304]);
    expect((await rowOf(taken as Repository))?.removed_at).toEqual(expect.any(Number));
    expect(await within()).toHaveLength(249);
    expect(await pass()).toEqual([304, 304, 304]);
    expect(await within()).toHaveLength(249);
  });

  test('forgets pages that no longer exist', async () => {
    await pass();
    for (const one of repositories.slice(90)) github.removeRepository(one);
    await pass();
    expect(await within()).toHaveLength(90);
    expect(await pass()).toEqual([304]);
    for (const one of repositories.slice(90)) installation.repositoryIds.add(one.id);
    await pass();
    expect(await within()).toHaveLength(250);
  });

  test('restores a repository that an old event removed, although GitHub reports no change', async () => {
    await pass();
    const [wronged] = repositories;
    await edit((trx) => repositoriesIn(trx).markRemoved(app.id, [wronged?.id ?? 0], installation.id));
    expect(await pass()).toEqual([304, 200, 304, 304]);
    expect(await within()).toHaveLength(250);
    expect(await pass()).toEqual([304, 304, 304]);
  });

  test('follows a repository that moved to another installation and back before this one was read', async () => {
    await pass();
    const elsewhere = github.addInstallation(app.theirs, { account: { login: 'other', id: 77, type: 'User' } });
    const activities = syncActivities(database, broker);
    await edit((trx) => trx('github_apps').where({ id: app.id }).update({ sync_open: true }));
    await activities.syncInstallationPage({ githubAppId: app.id, page: 1 });
    const [wanderer] = repositories as [Repository];
    const { id } = (await rowOf(wanderer)) ?? {};
    const home = { installationId: installation.id, fullName: wanderer.fullName, ownerAccount: wanderer.ownerAccount };
    const away = { installationId: elsewhere.id, fullName: `other/${wanderer.name}`, ownerAccount: elsewhere.account };

    Object.assign(wanderer, away);
    elsewhere.repositoryIds.add(wanderer.id);
    await activities.syncRepositoryPage({ installationId: (await installationRow(elsewhere)).id, page: 1 });
    expect(await rowOf(wanderer)).toMatchObject({ id, full_name: away.fullName, removed_at: null });

    Object.assign(wanderer, home);
    elsewhere.repositoryIds.delete(wanderer.id);
    expect((await pass()).slice(0, 4)).toEqual([304, 200, 304, 304]);
    expect(await rowOf(wanderer)).toMatchObject({ id, full_name: home.fullName, removed_at: null });
    expect((await rowOf(wanderer))?.installation_id).toBe((await installationRow(installation)).id);
  });

  test('reads a page again if a name on it was learned outside of a sync', async () => {
    await pass();
    const [renamed] = repositories as [Repository];
    const row = await repositoriesIn(database.reader).find((await rowOf(renamed))?.id ?? '');
    if (!row) throw new Error('it was read');
    // The repository had this name for a while and has its old name again, so the page has not changed.
    const other = { ...row, name: 'for-a-while', fullName: 'acme/for-a-while' };
    await edit((trx) => repositoriesIn(trx).updateDescription(row.id, other));
    expect(await pass()).toEqual([304, 200, 304, 304]);
    expect(await rowOf(renamed)).toMatchObject({ full_name: renamed.fullName });
  });

  test('reads every page if an unchanged page does not match the others', async () => {
    await pass();
    const { id } = await installationRow(installation);
    await edit((trx) => trx('repository_pages').where({ installation_id: id, page: 1 }).update({ total_count: 249 }));
    expect(await pass()).toEqual([304, 304, 304, 200, 200, 200]);
    expect(await pass()).toEqual([304, 304, 304]);
  });

  test('does not rely on pages that are more than a day old', async () => {
    await pass();
    await edit((trx) => trx('repository_pages').update({ read_at: Date.now() - 25 * 3_600_000 }));
    expect(await pass()).toEqual([200, 200, 200]);
  });
});

describe('while repositories are added and removed', () => {
  const read = async (page: number, whole = false) => {
    const { id } = await installationRow(installation);
    return syncActivities(database, broker).syncRepositoryPage({ installationId: id, page, whole });
  };
  const finish = async (again: boolean) => {
    const { id } = await installationRow(installation);
    return syncActivities(database, broker).finishRepositories({ githubAppId: app.id, installationId: id, again });
  };
  const begin = async () => {
    await pass();
    await syncActivities(database, broker).beginSync({ githubAppId: app.id });
  };

  test('a repository that moved between two pages is not removed', async () => {
    await begin();
    await read(1);
    github.removeRepository(repositories[0] as Repository);
    await read(2);
    await read(3);
    expect(await finish(false)).toBe('read_whole');
    expect(await within()).toHaveLength(250);
    for (const page of [1, 2, 3]) await read(page, true);
    expect(await finish(true)).toBe('done');
    expect((await rowOf(repositories[100] as Repository))?.removed_at).toBeNull();
    // It existed when the pass began. The next pass removes it.
    expect(await within()).toHaveLength(250);
    await pass();
    expect((await within()).map(({ external_id }) => external_id)).not.toContain(repositories[0]?.id);
    expect(await within()).toHaveLength(249);
  });

  test('a repository that moved while another was added is not removed either', async () => {
    await begin();
    await read(1);
    github.removeRepository(repositories[0] as Repository);
    github.addRepository(installation);
    await read(2);
    await read(3);
    // The counts match, but the missing repository is checked again.
    expect(await finish(false)).toBe('read_changes');
    for (const page of [1, 2, 3]) await read(page);
    expect(await finish(true)).toBe('done');
    expect((await rowOf(repositories[100] as Repository))?.removed_at).toBeNull();
  });

  test('nothing is removed if GitHub counts more than it lists, and the operation reports that', async () => {
    await begin();
    const operation = await database.write((trx) =>
      allOperations(trx).insert({
        orgId: null,
        projectId: null,
        kind: 'sync',
        subjectId: app.id,
        workflowId: `sync/${app.id}`,
      }),
    );
    const { id } = await installationRow(installation);
    for (const one of repositories.slice(0, 30)) github.removeRepository(one);
    const activities = syncActivities(database, broker);
    await activities.beginSync({ githubAppId: app.id });
    await activities.syncInstallationPage({ githubAppId: app.id, page: 1 });
    for (const again of [false, true]) {
      for (const page of [1, 2, 3]) await read(page, again);
      await edit((trx) => trx('repository_pages').where({ installation_id: id }).update({ total_count: 300 }));
      expect(await finish(again)).toBe(again ? 'done' : 'read_whole');
    }
    await activities.finishSync({ githubAppId: app.id });
    expect(await within()).toHaveLength(250);
    expect(await allOperations(database.reader).find(operation.id)).toMatchObject({
      status: 'failed',
      errorCode: 'incomplete',
      errorDetail: '1 installation was not read, the others were: acme (incomplete)',
    });
    await pass();
    expect(await within()).toHaveLength(220);
    expect((await installationRow(installation)).sync_error).toBeNull();
  });
});
