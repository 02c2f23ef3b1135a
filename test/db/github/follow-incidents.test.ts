import { afterAll, beforeAll, expect, test } from 'vitest';
import { followInstallations } from '../../../db/github/follow-installations.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { world } from '../../support/scenes/world.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database?.drop());

test('opens one incident each for a suspension and an uninstallation while they last', async () => {
  const of = await world(database);
  const { githubAppId, installationId, integrationId } = of;
  const become = (columns: { suspended_at: number | null; removed_at: number | null }) =>
    database.write(async (trx) => {
      await trx('installations').where({ id: installationId }).update(columns);
      await followInstallations(trx, githubAppId);
      await followInstallations(trx, githubAppId);
    });
  const incidents = async () => {
    const all = await database.reader('incidents').where({ subject_id: integrationId }).orderBy('id');
    return all.map(({ code, status, count }) => `${code} ${status} ${count}`);
  };

  await become({ suspended_at: 1, removed_at: null });
  expect(await incidents()).toEqual(['installation_suspended open 1']);
  const [incident] = await database.reader('incidents').where({ subject_id: integrationId });
  expect(incident).toMatchObject({
    org_id: of.orgId,
    project_id: of.projectId,
    link: `https://github.com/organizations/octo/settings/installations/${of.installation}`,
  });

  await become({ suspended_at: 1, removed_at: 2 });
  expect(await incidents()).toEqual(['installation_suspended resolved 1', 'installation_gone open 1']);
  const app = await database.reader('github_apps').where({ id: githubAppId }).first();
  const gone = await database
    .reader('incidents')
    .where({ subject_id: integrationId, code: 'installation_gone' })
    .first();
  expect(gone?.link).toBe(`https://github.com/apps/${app?.slug}`);
  await become({ suspended_at: null, removed_at: null });
  expect(await incidents()).toEqual(['installation_suspended resolved 1', 'installation_gone resolved 1']);

  await become({ suspended_at: 1, removed_at: null });
  expect(await incidents()).toContain('installation_suspended open 1');
  await database.write(async (trx) => {
    await trx('integrations').where({ id: integrationId }).update({ status: 'deleting' });
    await followInstallations(trx, githubAppId);
  });
  expect((await incidents()).filter((one) => one.includes('open'))).toEqual([]);
});
