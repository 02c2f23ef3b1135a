import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { installationActivities } from '../../../activities/github/installations.ts';
import { refreshActivities } from '../../../activities/github/refresh.ts';
import { repositoryActivities } from '../../../activities/github/repositories.ts';
import type { GitHubBroker } from '../../../broker/github/github.ts';
import { applyInstallationEvent } from '../../../db/github/apply-installation-event.ts';
import { appLimits } from '../../../db/github/github-apps.ts';
import { readGitHubEvent } from '../../../domain/deliveries/github-events.ts';
import { installationPayload } from '../../../stand-ins/github/events/payloads.ts';
import type { GitHubStandIn } from '../../../stand-ins/github/stand-in.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { startGitHub } from '../../support/github.ts';
import { giveApp } from '../../support/scenes/give-app.ts';
import { addOperatorApp, brokerTo } from '../../support/scenes/operator-app.ts';
import { requestOneRefresh } from '../../support/scenes/requested-refresh.ts';
import { addOrg } from '../../support/scenes/tenants.ts';

let database: TestDatabase;
let github: GitHubStandIn;
let broker: GitHubBroker;

beforeAll(async () => {
  [database, github] = await Promise.all([openTestDatabase(), startGitHub()]);
  broker = brokerTo(database, github);
});

afterEach(() => {
  expect(github.violations).toEqual([]);
});

afterAll(async () => {
  await github?.close();
  await database?.drop();
});

/** Creates an App of an organization or of the operator. */
async function appOf({ operator = false } = {}) {
  const app = await addOperatorApp(database, github);
  const orgId = operator ? null : await addOrg(database);
  await giveApp(database, app.id, orgId);
  await database.write((trx) => trx('github_apps').where({ id: app.id }).update({ sync_open: true }));
  return app;
}

const limits = { installations: 2, repositories: 3 };
const environment = new MockActivityEnvironment();
const readInstallations = (githubAppId: string, page = 1): Promise<{ readable: string[] }> =>
  environment.run(
    installationActivities({ database, broker, limits }).syncInstallationPage as never,
    {
      githubAppId,
      page,
    } as never,
  );
const readRepositories = (installationId: string, { page = 1, whole = true } = {}) =>
  environment.run(repositoryActivities({ database, broker, limits }).syncRepositoryPage, {
    installationId,
    page,
    whole,
  });
const count = async (table: 'installations' | 'repositories', githubAppId: string) =>
  (await database.reader(table).where({ github_app_id: githubAppId })).length;

test('limits the installations of an organization’s App, regardless of what its host lists', async () => {
  const app = await appOf();
  github.addInstallation(app.theirs);
  github.addInstallation(app.theirs);
  await readInstallations(app.id);
  // Known installations are still read.
  expect((await readInstallations(app.id)).readable).toHaveLength(2);

  const third = github.addInstallation(app.theirs);
  await expect(readInstallations(app.id)).rejects.toMatchObject({ name: 'Refusal', code: 'too_many_installations' });
  await expect(readInstallations(app.id, 2)).rejects.toMatchObject({ code: 'too_many_installations' });
  expect(await count('installations', app.id)).toBe(2);
  expect(github.requests({ path: /^\/app\/installations$/ }).at(-1)?.query).toBe('per_page=100&page=1');

  // The App is at its limit: neither an event nor the read after it adds an installation.
  await fill(app.id, appLimits.installations - 2);
  const payload = installationPayload(github.state, third, 'created');
  await database.write((trx) => applyInstallationEvent(trx, app.id, readGitHubEvent('installation', payload) as never));
  const refresh = { githubAppId: app.id, installation: third.id, repositories: [] };
  await requestOneRefresh(database, refresh);
  const { readInstallation } = refreshActivities({ database, broker });
  await expect(environment.run(readInstallation, refresh)).rejects.toMatchObject({ code: 'too_many_installations' });
  expect(await count('installations', app.id)).toBe(appLimits.installations);
});

async function fill(githubAppId: string, rows: number): Promise<void> {
  const [row] = await database.reader('installations').where({ github_app_id: githubAppId });
  if (!row) throw new Error('There is no installation');
  const more = Array.from({ length: rows }, (_, at) => ({
    ...row,
    id: `${row.id}_${at}`,
    external_id: 10_000_000 + at,
  }));
  await database.write((trx) => trx.batchInsert('installations', more, 100));
}

test('limits the repositories of all its installations together', async () => {
  const app = await appOf();
  const [one, other] = [github.addInstallation(app.theirs), github.addInstallation(app.theirs)];
  for (const installation of [one, one, other]) github.addRepository(installation);
  const { readable } = await readInstallations(app.id);
  for (const id of readable) await readRepositories(id);
  expect(await count('repositories', app.id)).toBe(3);

  const more = github.addRepository(other);
  const [, theirs = ''] = readable;
  for (const whole of [true, false]) {
    await expect(readRepositories(theirs, { whole })).rejects.toMatchObject({ code: 'too_many_repositories' });
  }
  expect(await count('repositories', app.id)).toBe(3);
  github.removeRepository(more);
  await readRepositories(theirs);
});

test('limits the pages of an installation to GitHub’s own maximum', async () => {
  const app = await appOf({ operator: true });
  github.addInstallation(app.theirs);
  const { readable } = await readInstallations(app.id);
  await readRepositories(readable[0] ?? '', { page: 1_000 });
  await expect(readRepositories(readable[0] ?? '', { page: 1_001 })).rejects.toMatchObject({
    code: 'too_many_repositories',
  });
});

test('does not limit the operator’s App', async () => {
  const app = await appOf({ operator: true });
  for (let at = 0; at < 3; at += 1) github.addRepository(github.addInstallation(app.theirs), {});
  const { readable } = await readInstallations(app.id);
  for (const id of readable) await readRepositories(id);
  expect(await count('installations', app.id)).toBe(3);
});
