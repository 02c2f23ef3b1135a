import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { GitHubBroker } from '../../../broker/github/github.ts';
import { storeDeliveries } from '../../../db/deliveries/store-deliveries.ts';
import { applyInstallationEvent } from '../../../db/github/apply-installation-event.ts';
import { githubAppsIn } from '../../../db/github/github-apps.ts';
import { repositoriesIn } from '../../../db/github/repositories.ts';
import { allIntegrations } from '../../../db/integrations/integrations.ts';
import { allOperations } from '../../../db/ops/operations.ts';
import { readGitHubEvent } from '../../../domain/deliveries/github-events.ts';
import type { App, GitHubStandIn, Installation } from '../../../stand-ins/github/stand-in.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { startGitHub } from '../../support/github.ts';
import { addOperatorApp, brokerTo } from '../../support/scenes/operator-app.ts';
import { seed } from '../../support/scenes/seed.ts';
import { sync, syncActivities } from '../../support/scenes/sync-pass.ts';

let database: TestDatabase;
let github: GitHubStandIn;
let broker: GitHubBroker;
let app: { id: string; theirs: App };

beforeAll(async () => {
  [database, github] = await Promise.all([openTestDatabase(), startGitHub()]);
  broker = brokerTo(database, github);
});

beforeEach(async () => {
  app = await addOperatorApp(database, github);
});

afterEach(() => {
  expect(github.violations).toEqual([]);
  github.faults.clear();
});

afterAll(async () => {
  await github?.close();
  await database?.drop();
});

const pass = () => sync(database, broker, app.id);
const installationRow = ({ id }: Installation) =>
  database.reader('installations').where({ github_app_id: app.id, external_id: id }).first();
const repositoryRows = async () =>
  database.reader('repositories').where({ github_app_id: app.id }).orderBy('external_id');
const within = async () => (await repositoryRows()).filter(({ removed_at }) => removed_at === null);

/** Creates an active integration on a synced installation. */
async function integrationOn(installation: Installation): Promise<{ id: string; status(): Promise<string> }> {
  const rows = seed(database);
  const row = await installationRow(installation);
  const id = await rows.integration({ ...(await rows.org()), githubAppId: app.id, installationId: row?.id ?? '' });
  return {
    id,
    async status() {
      const found = await allIntegrations(database.reader).find(id);
      return [found?.status, found?.statusReason].filter(Boolean).join(': ');
    },
  };
}

/** Applies a webhook as the relay does. */
const apply = (name: string, payload: unknown) =>
  database.write((trx) => applyInstallationEvent(trx, app.id, readGitHubEvent(name, payload) as never));

test('reads 250 repositories in three pages, with a token that can only read metadata', async () => {
  const installation = github.addInstallation(app.theirs, { account: { login: 'big', id: 12, type: 'User' } });
  for (let at = 0; at < 250; at += 1) github.addRepository(installation, { name: `r${at}`, private: at % 2 === 0 });
  await pass();

  const row = await installationRow(installation);
  expect(row).toMatchObject({ org_id: null, account_login: 'big', account_id: 12, target_type: 'User' });
  expect(JSON.parse(row?.permissions ?? '')).toEqual(installation.permissions);
  const repositories = await within();
  expect(repositories).toHaveLength(250);
  expect(repositories[1]).toMatchObject({ full_name: 'big/r1', visibility: 'public', default_branch: 'main' });
  const pages = github.requests({ path: /^\/installation\/repositories$/ });
  expect(pages.map(({ query }) => query)).toEqual([
    'per_page=100&page=1',
    'per_page=100&page=2',
    'per_page=100&page=3',
  ]);
  const mints = github.requests({ path: new RegExp(`/${installation.id}/access_tokens$`) });
  expect(mints.map(({ body }) => body)).toEqual([{ permissions: { metadata: 'read' } }]);
  expect(await githubAppsIn(database.reader).find(app.id)).toMatchObject({ syncError: null });
});

test('reads more than a hundred installations', async () => {
  for (let at = 0; at < 101; at += 1) github.addInstallation(app.theirs);
  await pass();
  expect(await database.reader('installations').where({ github_app_id: app.id })).toHaveLength(101);
});

test('follows a rename by number, and treats a new repository with the old name as another one', async () => {
  const installation = github.addInstallation(app.theirs);
  const old = github.addRepository(installation, { name: 'shop' });
  await pass();
  const [before] = await repositoryRows();
  github.renameRepository(old, 'store');
  const another = github.addRepository(installation, { name: 'shop' });
  await pass();

  const rows = await repositoryRows();
  expect(rows.map(({ external_id, full_name }) => [external_id, full_name])).toEqual([
    [old.id, 'acme/store'],
    [another.id, 'acme/shop'],
  ]);
  expect(rows[0]?.id).toBe(before?.id);
});

test('marks a missing repository as removed, and restores the same row when it returns', async () => {
  const installation = github.addInstallation(app.theirs);
  const kept = github.addRepository(installation);
  const taken = github.addRepository(installation);
  await pass();
  const before = await repositoryRows();
  github.removeRepository(taken);
  await pass();
  expect((await within()).map(({ external_id }) => external_id)).toEqual([kept.id]);
  installation.repositoryIds.add(taken.id);
  await pass();
  expect((await within()).map(({ id }) => id)).toEqual(before.map(({ id }) => id));
});

test('marks nothing as removed if the pass did not read every page', async () => {
  const installation = github.addInstallation(app.theirs);
  for (let at = 0; at < 101; at += 1) github.addRepository(installation);
  await pass();
  github.faults.add({ path: /^\/installation\/repositories$/, kind: 'status', status: 502 });
  await expect(pass()).rejects.toMatchObject({ type: 'unavailable' });
  expect(await within()).toHaveLength(101);
});

test('keeps the repositories of an installation that is suspended while they are read', async () => {
  const installation = github.addInstallation(app.theirs);
  github.addRepository(installation);
  await pass();
  github.faults.add({
    path: /^\/installation\/repositories$/,
    kind: 'status',
    status: 403,
    body: { message: 'This installation has been suspended', documentation_url: 'https://docs.github.com/rest' },
  });
  await pass();
  expect(await within()).toHaveLength(1);
});

test('does not depend on the clock', async () => {
  const installation = github.addInstallation(app.theirs);
  github.addRepository(installation);
  await pass();
  const tomorrow = Date.now() + 86_400_000;
  await database.write((trx) => trx('repositories').where({ github_app_id: app.id }).update({ updated_at: tomorrow }));
  const [repository] = await repositoryRows();
  github.removeRepository(github.state.repositories.get(repository?.external_id ?? 0) as never);
  await pass();
  expect(await within()).toHaveLength(0);
});

test('applies a suspension, its end and a removal of an installation to its integration', async () => {
  const installation = github.addInstallation(app.theirs);
  await pass();
  const integration = await integrationOn(installation);

  github.suspend(installation);
  await pass();
  expect(await integration.status()).toBe('suspended: installation_suspended');
  github.unsuspend(installation);
  await pass();
  expect(await integration.status()).toBe('active');
  github.uninstall(installation);
  await pass();
  expect(await integration.status()).toBe('disconnected: installation_gone');
  expect((await installationRow(installation))?.removed_at).toBeGreaterThan(0);
});

test('keeps a status with another cause', async () => {
  const installation = github.addInstallation(app.theirs);
  await pass();
  const integration = await integrationOn(installation);
  await database.write((trx) => allIntegrations(trx).moveStatus(integration.id, 'deleting'));
  github.suspend(installation);
  await pass();
  expect(await integration.status()).toBe('deleting');
});

test('applies the webhooks of a suspension and of removals before any sync', async () => {
  const installation = github.addInstallation(app.theirs);
  const repository = github.addRepository(installation);
  await pass();
  const integration = await integrationOn(installation);
  const asked = github.ledger.length;

  await apply('installation_repositories', github.removeRepository(repository));
  expect(await within()).toHaveLength(0);
  await apply('installation', github.suspend(installation));
  expect(await integration.status()).toBe('suspended: installation_suspended');
  await apply('installation', github.uninstall(installation));
  expect(await integration.status()).toBe('disconnected: installation_gone');
  expect(github.ledger.length).toBe(asked);
});

test('shows a new installation as unclaimed after its webhook, and restores nothing from an old event', async () => {
  const installation = github.addInstallation(app.theirs);
  const created = github.installationPayload(installation);
  await apply('installation', created);
  expect(await installationRow(installation)).toMatchObject({ org_id: null, account_login: 'acme', removed_at: null });
  await apply('installation', github.uninstall(installation));
  await apply('installation', created);
  expect((await installationRow(installation))?.removed_at).toBeGreaterThan(0);
});

test('keeps a row that a webhook adds during the pass', async () => {
  const activities = syncActivities(database, broker);
  await activities.beginSync({ githubAppId: app.id });
  await activities.syncInstallationPage({ githubAppId: app.id, page: 1 });
  const late = github.addInstallation(app.theirs);
  await apply('installation', github.installationPayload(late));
  await activities.finishSync({ githubAppId: app.id });
  expect((await installationRow(late))?.removed_at).toBeNull();
});

test('ends the operations that were requested before the pass, and later ones with a later pass', async () => {
  const operations = allOperations(database.reader);
  const ask = () =>
    database.write((trx) =>
      allOperations(trx).insert({
        orgId: null,
        projectId: null,
        kind: 'sync',
        subjectId: app.id,
        workflowId: `sync/${app.id}`,
      }),
    );
  const activities = syncActivities(database, broker);
  const early = await ask();
  await activities.beginSync({ githubAppId: app.id });
  const late = await ask();
  await activities.finishSync({ githubAppId: app.id });
  expect(await operations.find(early.id)).toMatchObject({ status: 'succeeded' });
  expect(await operations.find(late.id)).toMatchObject({ status: 'running' });

  await activities.beginSync({ githubAppId: app.id });
  await activities.finishSync({ githubAppId: app.id, failure: { code: 'unavailable', detail: 'GitHub failed' } });
  expect(await operations.find(late.id)).toMatchObject({ status: 'failed', errorCode: 'unavailable' });
  expect(await githubAppsIn(database.reader).find(app.id)).toMatchObject({ syncError: 'GitHub failed' });
});

test('reaches a repository that moved to another installation of the App through that one', async () => {
  const [from, to] = [github.addInstallation(app.theirs), github.addInstallation(app.theirs)];
  const repository = github.addRepository(from);
  await pass();
  github.removeRepository(repository);
  repository.installationId = to.id;
  to.repositoryIds.add(repository.id);
  await pass();
  const [row] = await within();
  expect(row?.installation_id).toBe((await installationRow(to))?.id);
  expect(await repositoriesIn(database.reader).find(row?.id ?? '')).toMatchObject({ removedAt: null });
});

test('queues an ignored delivery again once, after the sync has found its repository', async () => {
  const installation = github.addInstallation(app.theirs);
  const repository = github.addRepository(installation);
  await pass();
  const rows = seed(database);
  const mine = await rows.org();
  const installationId = (await installationRow(installation))?.id ?? '';
  const integrationId = await rows.integration({ ...mine, githubAppId: app.id, installationId });
  const [known] = await repositoryRows();
  const appId = await rows.app({ ...mine, integrationId, repositoryId: known?.id ?? '' });
  await rows.pipeline({ ...mine, appId });
  await database.write((trx) => trx('installations').where({ id: installationId }).update({ org_id: mine.orgId }));

  const about = { installation_external_id: installation.id, repository_external_id: repository.id };
  const ignored = async (reason: string, changes: object = {}) => {
    const delivery = { githubAppId: app.id, event: 'push', contentKey: null, headers: {}, body: Buffer.from('{}') };
    const [stored] = await database.write(async (trx) => {
      const all = await storeDeliveries(trx, [{ ...delivery, providerDeliveryId: randomUUID() }]);
      const row = { status: 'ignored' as const, reason, ...about, ...changes };
      await trx('deliveries')
        .where({ id: all[0]?.id ?? '' })
        .update(row);
      return all;
    });
    return stored?.id ?? '';
  };
  const stale = await ignored('repository_removed');
  const others = [
    await ignored('no_pipeline'),
    await ignored('repository_unknown', { repository_external_id: 1 }),
    await ignored('installation_unbound', { received_at: Date.now() - 25 * 3_600_000 }),
    // The pipeline did not exist yet.
    await ignored('installation_unbound', { received_at: Date.now() - 3_600_000 }),
  ];
  const statusOf = async (id: string) => (await database.reader('deliveries').where({ id }).first())?.status;
  await pass();
  expect(await statusOf(stale)).toBe('received');
  for (const id of others) expect(await statusOf(id)).toBe('ignored');

  // Its installation is claimed, but a state that changes all the time must not repeat it forever.
  await database.write((trx) =>
    trx('deliveries').where({ id: stale }).update({ status: 'ignored', reason: 'repository_removed' }),
  );
  await pass();
  expect(await statusOf(stale)).toBe('ignored');
});
