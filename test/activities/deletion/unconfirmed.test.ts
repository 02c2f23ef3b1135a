import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { deletionActivities } from '../../../activities/deletion/deletion.ts';
import { sweepStuck } from '../../../activities/github/reconcile.ts';
import { refreshActivities } from '../../../activities/github/refresh.ts';
import { deleteIntegration } from '../../../db/deletion/integration-deletion.ts';
import { applyInstallationEvent } from '../../../db/github/apply-installation-event.ts';
import { allInstallations } from '../../../db/github/installations.ts';
import { readGitHubEvent } from '../../../domain/deliveries/github-events.ts';
import type { App, GitHubStandIn, Installation } from '../../../stand-ins/github/stand-in.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { startGitHub } from '../../support/github.ts';
import { giveApp } from '../../support/scenes/give-app.ts';
import { addOperatorApp, brokerTo } from '../../support/scenes/operator-app.ts';
import { requestOneRefresh } from '../../support/scenes/requested-refresh.ts';
import { seed } from '../../support/scenes/seed.ts';
import { sync } from '../../support/scenes/sync-pass.ts';

let database: TestDatabase;
let github: GitHubStandIn;
let app: { id: string; theirs: App };
let theirs: Installation;
let installationId: string;
let owner: { orgId: string; projectId: string };

beforeAll(async () => {
  [database, github] = await Promise.all([openTestDatabase(), startGitHub()]);
});
beforeEach(async () => {
  app = await addOperatorApp(database, github);
  theirs = github.addInstallation(app.theirs);
  owner = await seed(database).org();
  installationId = await seed(database).installation(app.id, theirs.id);
});
afterAll(async () => {
  await database?.drop();
  await github?.close();
});

const activities = () => deletionActivities({ database, broker: brokerTo(database, github) });
const connect = (where = owner) => seed(database).integration({ ...where, githubAppId: app.id, installationId });
const makeOwn = () => giveApp(database, app.id, owner.orgId);

/** Completes a deletion that GitHub does not confirm. */
async function deleteUnconfirmed(id: string): Promise<void> {
  const given = { id, orgId: owner.orgId, projectId: owner.projectId, revocation: 'auto' as const };
  await database.write((trx) => deleteIntegration(trx, { ...given, audit: async () => {} }));
  await activities().giveUpUninstall({ integrationId: id, installationId, code: 'timeout' });
  await activities().finishDeletion({ integrationId: id, outcomes: ['unconfirmed'] });
}
const incident = () =>
  database.reader('incidents').where({ subject_id: installationId, code: 'revocation_unconfirmed' }).first();

describe('a revocation that GitHub did not confirm', () => {
  test('is confirmed by the webhook of the uninstallation and the read that follows', async () => {
    await deleteUnconfirmed(await connect());
    expect(await incident()).toMatchObject({ status: 'open' });
    const event = readGitHubEvent('installation', github.uninstall(theirs)) as never;
    await database.write((trx) => applyInstallationEvent(trx, app.id, event));
    const { readInstallation } = refreshActivities({ database, broker: brokerTo(database, github) });
    const refresh = { githubAppId: app.id, installation: theirs.id, repositories: [] };
    await requestOneRefresh(database, refresh);
    await new MockActivityEnvironment().run(readInstallation, refresh);
    expect(await incident()).toMatchObject({ status: 'resolved', resolved_at: expect.any(Number) });
  });

  test('is confirmed by a sync without this installation, and not by another missing one', async () => {
    const other = github.addInstallation(app.theirs);
    await deleteUnconfirmed(await connect());
    await sync(database, brokerTo(database, github), app.id);
    expect(await incident()).toMatchObject({ status: 'open' });
    github.uninstall(other);
    await sync(database, brokerTo(database, github), app.id);
    expect(await incident()).toMatchObject({ status: 'open' });
    github.uninstall(theirs);
    await sync(database, brokerTo(database, github), app.id);
    expect(await incident()).toMatchObject({ status: 'resolved' });
  });

  test('is resolved when the installation is known to be removed', async () => {
    await deleteUnconfirmed(await connect());
    await sweepStuck(database);
    expect(await incident()).toMatchObject({ status: 'open' });
    await database.write((trx) => trx('installations').where({ id: installationId }).update({ removed_at: 1 }));
    await sweepStuck(database);
    expect(await incident()).toMatchObject({ status: 'resolved' });
  });

  test('is resolved when the account is connected again', async () => {
    await deleteUnconfirmed(await connect());
    const again = await seed(database).integration({ ...owner, githubAppId: app.id, installationId });
    await database.write(async (trx) => {
      await trx('bindings').where({ integration_id: again }).delete();
      await allInstallations(trx).bind(again, installationId, owner.projectId);
    });
    expect(await incident()).toMatchObject({ status: 'resolved' });
  });

  test('can only be resolved by a person after the App’s key is destroyed', async () => {
    await makeOwn();
    const { projectId } = await seed(database).org();
    await database.write((trx) => trx('projects').where({ id: projectId }).update({ org_id: owner.orgId }));
    const [first, last] = [await connect(), await connect({ orgId: owner.orgId, projectId })];
    await deleteUnconfirmed(first);
    expect((await incident())?.action).not.toContain('resolve this incident');
    await deleteUnconfirmed(last);
    expect(await incident()).toMatchObject({
      status: 'open',
      action: expect.stringMatching(/^Uninstall it at GitHub.* then resolve this incident/),
      link: expect.stringContaining(`/settings/installations/${theirs.id}`),
    });
  });

  test('is checked automatically if the App is the operator’s', async () => {
    await deleteUnconfirmed(await connect());
    expect((await incident())?.action).not.toContain('resolve this incident');
  });
});
