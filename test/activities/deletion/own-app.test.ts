import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { noteAppAccepted } from '../../../activities/github/sync-report.ts';
import { endDeletion } from '../../../db/deletion/deletion-end.ts';
import { deleteIntegration } from '../../../db/deletion/integration-deletion.ts';
import { requestRecoveries } from '../../../db/deliveries/delivery-log.ts';
import { githubAppsIn } from '../../../db/github/github-apps.ts';
import { requestReconciliations } from '../../../db/github/reconcile.ts';
import { allIncidents } from '../../../db/ops/incidents.ts';
import { allOperations } from '../../../db/ops/operations.ts';
import { rotationsIn } from '../../../db/secrets/rotations.ts';
import type { GitHubStandIn } from '../../../stand-ins/github/stand-in.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { startGitHub } from '../../support/github.ts';
import { addOwnApp, type OwnApp } from '../../support/scenes/rotation-scene.ts';

let database: TestDatabase;
let github: GitHubStandIn;
let own: OwnApp;

beforeAll(async () => {
  [database, github] = await Promise.all([openTestDatabase(), startGitHub()]);
});
beforeEach(async () => {
  own = await addOwnApp(database, github);
});
afterAll(async () => {
  await database?.drop();
  await github?.close();
});

async function deleteIt(): Promise<void> {
  const { integrationId: id, orgId, projectId } = own;
  await database.write((trx) =>
    deleteIntegration(trx, { id, orgId, projectId, revocation: 'auto', audit: async () => {} }),
  );
  await database.write((trx) => endDeletion(trx, id, ['revoked']));
}

const commandsFor = (workflowId: string) => database.reader('commands').where({ workflow_id: workflowId });
const openIncidents = () =>
  database.reader('incidents').where({ subject_id: own.githubAppId, status: 'open' }).pluck('code');

test('reads nothing of an App whose last integration was deleted', async () => {
  await requestRecoveries(database);
  expect(await commandsFor(`recover/${own.githubAppId}`)).toHaveLength(1);
  await deleteIt();
  await requestRecoveries(database);
  await database.write((trx) => requestReconciliations(trx));
  expect(await commandsFor(`recover/${own.githubAppId}`)).toHaveLength(1);
  expect(await commandsFor(`reconcile/${own.githubAppId}`)).toEqual([]);
});

test('resolves the incidents about an App that was deleted, and raises none', async () => {
  const app = await githubAppsIn(database.reader).find(own.githubAppId);
  if (!app) throw new Error('The App is missing');
  const about = { orgId: own.orgId, projectId: null, subjectId: app.id };
  await database.write((trx) => allIncidents(trx).raise({ ...about, code: 'app_incomplete' }));
  await database.write((trx) => noteAppAccepted(trx, app, false));
  expect((await openIncidents()).sort()).toEqual(['app_credentials_rejected', 'app_incomplete']);
  await deleteIt();
  expect(await openIncidents()).toEqual([]);
  // A reading that began before the deletion finds that GitHub rejects the App.
  await database.write((trx) => noteAppAccepted(trx, app, false));
  expect(await openIncidents()).toEqual([]);
});

test('ends the rotation of an App that was deleted', async () => {
  const { orgId, projectId, integrationId, githubAppId } = own;
  const credential = await database
    .reader('credentials')
    .where({ github_app_id: githubAppId, kind: 'private_key' })
    .first();
  const credentialId = credential?.id ?? '';
  const rotation = await database.write(async (trx) => {
    const wanted = { orgId, projectId, kind: 'rotate', subjectId: integrationId, workflowId: `rotate/${credentialId}` };
    const { id: operationId } = await allOperations(trx).insert(wanted);
    const versions = { mode: 'assisted', newVersion: 2, oldVersion: 1 } as const;
    const of = { orgId, projectId, integrationId, credentialId, operationId, requestedBy: 'operator' };
    return rotationsIn(trx).insert({ ...of, ...versions });
  });
  await deleteIt();
  expect(await commandsFor(`rotate/${credentialId}/${rotation?.operationId}`)).toMatchObject([{ signal: 'changed' }]);
});
