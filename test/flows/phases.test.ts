import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { closeFlow } from '../../activities/connect/flow-steps.ts';
import { allBuilds } from '../../db/builds/builds.ts';
import { nudgeFlow } from '../../db/connect/flow-commands.ts';
import {
  buildWorkflowId,
  connectGithubWorkflowId,
  deleteWorkflowId,
  reportWorkflowId,
  syncWorkflowId,
} from '../../domain/ops/workflow-ids.ts';
import { addKey, newKeyPair } from '../../stand-ins/github/credentials.ts';
import type { Account, GitHubStandIn } from '../../stand-ins/github/stand-in.ts';
import { startGitHub } from '../support/github.ts';
import { flowRows, giveClient } from '../support/scenes/connect-flow.ts';
import { addOperatorApp } from '../support/scenes/operator-app.ts';
import { workflowFile } from '../support/scenes/platform.ts';
import { addOwnApp, type Rotated } from '../support/scenes/rotation-scene.ts';
import { startWhole, type Whole } from '../support/scenes/whole.ts';
import { world } from '../support/scenes/world.ts';

const alice: Account = { login: 'alice', id: 9_001, type: 'User' };
const phaseKey = defineSearchAttributeKey('Phase', SearchAttributeType.KEYWORD);

let github: GitHubStandIn;
let whole: Whole;

beforeAll(async () => {
  github = await startGitHub();
  whole = await startWhole(github);
}, 60_000);
afterEach(() => github.faults.clear());
afterAll(async () => {
  await whole?.stop();
  await github?.close();
});

/** What an operator sees of a workflow. */
async function seen(workflowId: string): Promise<{ phase: string | undefined; details: string; summary: string }> {
  const handle = whole.workflows.getHandle(workflowId);
  const described = await handle.describe();
  const { currentDetails = '' } = await handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata');
  return {
    phase: described.typedSearchAttributes.get(phaseKey),
    details: currentDetails,
    summary: (await described.staticSummary()) ?? '',
  };
}

/** Waits until the row and the phase of its workflow both have the status. */
async function reaches(workflowId: string, row: () => Promise<string | undefined>, status: string): Promise<void> {
  await expect
    .poll(
      async () => ({
        row: await row(),
        phase: await seen(workflowId)
          .then(({ phase }) => phase)
          .catch(() => 'not started'),
      }),
      { timeout: 20_000 },
    )
    .toEqual({ row: status, phase: status });
}

async function newWorld() {
  const app = await addOperatorApp(whole.database, github);
  const installation = github.addInstallation(app.theirs);
  const repository = github.addRepository(installation, {
    workflows: { '.github/workflows/deploy.yml': workflowFile },
  });
  const made = await world(whole.database, {
    githubAppId: app.id,
    theirs: { installation, repository },
    installation: { account_login: installation.account.login },
  });
  return { ...made, app, repository, installation };
}

type Begun = { operation: { id: string; workflow_id: string } };

test('shows the phase of a rotation that is rolled back', { timeout: 60_000 }, async () => {
  const own = await addOwnApp(whole.database, github);
  const at = `/v1/integrations/${own.integrationId}/credentials`;
  const phaseOf = async () =>
    (await whole.database.reader('rotations').where({ integration_id: own.integrationId }).first())?.phase;

  github.faults.add({ path: /^\/app$/, kind: 'status', status: 503 });
  const { operation } = await whole.admin.ask<Rotated>('POST', `${at}/rotate`, {
    kind: 'private_key',
    private_key: addKey(own.theirs),
  });
  const id = operation.workflow_id;
  await reaches(id, phaseOf, 'proving');
  expect(await seen(id)).toMatchObject({
    details: 'Trying the new credential at GitHub',
    summary: expect.stringContaining(`Rotate the private key of the GitHub App ${own.theirs.slug}`),
  });
  github.faults.clear();
  await reaches(id, phaseOf, 'overlapping');

  github.faults.add({ path: /^\/app$/, kind: 'status', status: 503 });
  await whole.admin.ask('POST', `${at}/rollback`, { kind: 'private_key' });
  await reaches(id, phaseOf, 'rolling_back');
  github.faults.clear();
  await reaches(id, phaseOf, 'returning');
});

test('shows why a rotation was rejected', { timeout: 60_000 }, async () => {
  const own = await addOwnApp(whole.database, github);
  const { operation } = await whole.admin.ask<Rotated>(
    'POST',
    `/v1/integrations/${own.integrationId}/credentials/rotate`,
    { kind: 'private_key', private_key: newKeyPair().privateKey },
  );
  const id = operation.workflow_id;
  const phaseOf = async () =>
    (await whole.database.reader('rotations').where({ integration_id: own.integrationId }).first())?.phase;
  await reaches(id, phaseOf, 'rejected');
  expect((await seen(id)).details).toBe('Ended: rejected (credential_refused)');
});

test('shows the phase of a deletion', { timeout: 60_000 }, async () => {
  const { integrationId, installation } = await newWorld();
  const id = deleteWorkflowId(integrationId);
  const statusOf = async () =>
    (await whole.database.reader('integrations').where({ id: integrationId }).first())?.status;
  github.faults.add({ method: 'DELETE', path: /^\/app\/installations\//, kind: 'status', status: 503 });
  await whole.admin.ask('DELETE', `/v1/integrations/${integrationId}`);
  await reaches(id, statusOf, 'deleting');
  await expect.poll(async () => (await seen(id)).details, { timeout: 20_000 }).toBe('Releasing 1 installation');
  expect(await seen(id)).toMatchObject({
    phase: 'deleting',
    summary: `Delete github ${installation.account.login} (revocation: auto)`,
  });
  github.faults.clear();
  await reaches(id, statusOf, 'deleted');
  expect((await seen(id)).details).toBe('Deleted: revoked');
});

test('shows the phase of a flow that connects an account', { timeout: 60_000 }, async () => {
  const app = await addOperatorApp(whole.database, github, { hostUrl: github.url });
  await giveClient(whole.database, app.id, app.theirs);
  const { projectId, orgId } = await world(whole.database);
  const rows = flowRows(whole.database, github);
  const flow = await rows.insert({ orgId, projectId }, { kind: 'own', githubAppId: app.id, accountLogin: 'alice' });
  const id = connectGithubWorkflowId(flow.id);
  const statusOf = async () => (await rows.find(flow.id)).status;
  const nudge = async () => whole.database.write(async (trx) => nudgeFlow(trx, await rows.find(flow.id)));

  await nudge();
  await reaches(id, statusOf, 'created');
  expect((await seen(id)).summary).toBe(`Connect alice at ${github.url} (own GitHub App)`);
  await rows.move(flow.id, 'install_pending');
  await nudge();
  await reaches(id, statusOf, 'install_pending');

  // While Fairlead checks who signed in, the row keeps its status.
  const installation = github.addInstallation(app.theirs, { account: alice });
  github.faults.add({ path: /^\/user$/, kind: 'slow', delayMs: 3_000 });
  await rows.land(flow, app.theirs, { installationId: installation.id, user: alice });
  await nudge();
  await expect
    .poll(() => seen(id), { timeout: 20_000 })
    .toMatchObject({ phase: 'install_pending', details: 'Asking GitHub who signed in' });
  await reaches(id, statusOf, 'install_pending');
  await whole.database.write(async (trx) =>
    closeFlow(trx, await rows.find(flow.id), { status: 'canceled', reason: 'canceled_by_request' }),
  );
  github.faults.clear();
  await nudge();
  await reaches(id, statusOf, 'canceled');
  expect((await seen(id)).details).toBe('Ended: canceled (canceled_by_request)');
});

test('shows the phase of a sync, and why GitHub refused one', { timeout: 60_000 }, async () => {
  const { integrationId, app } = await newWorld();
  const id = syncWorkflowId(app.id);
  const sync = async () =>
    (await whole.admin.ask<Begun>('POST', `/v1/integrations/${integrationId}/installations`)).operation.id;
  const statusOf = (operation: string) => async () =>
    (await whole.database.reader('operations').where({ id: operation }).first())?.status;

  github.faults.add({ path: /^\/app\/installations$/, kind: 'slow', delayMs: 3_000, times: 1 });
  const first = await sync();
  await reaches(id, statusOf(first), 'running');
  await reaches(id, statusOf(first), 'succeeded');
  expect(await seen(id)).toMatchObject({
    details: 'Ended: succeeded',
    summary: expect.stringContaining(app.theirs.slug),
  });

  app.theirs.publicKey = newKeyPair().publicKey;
  const second = await sync();
  await reaches(id, statusOf(second), 'failed');
  expect((await seen(id)).details).toBe('Ended: failed (app_credentials_rejected)');
});

test('shows that a build has failed, and why', { timeout: 60_000 }, async () => {
  const { newBuild, repository } = await newWorld();
  const build = await newBuild({}, { workflow_file: 'gone.yml' });
  const id = buildWorkflowId(build.id);
  const statusOf = async () => (await allBuilds(whole.database.reader).find(build.id))?.status;
  await reaches(id, statusOf, 'failed');
  await expect
    .poll(() => seen(id), { timeout: 20_000 })
    .toEqual({
      phase: 'failed',
      details: 'Ended: failed (workflow_file_missing)',
      summary: `Build ${repository.fullName} main at ${build.sha.slice(0, 7)} with pipeline ${build.pipeline.name}`,
    });
});

test('shows that a build is dispatching while GitHub takes no dispatch', { timeout: 60_000 }, async () => {
  const { newBuild } = await newWorld();
  github.faults.add({ method: 'POST', path: /\/dispatches$/, kind: 'rate_limit', retryAfter: 60 });
  const build = await newBuild();
  const statusOf = async () => (await allBuilds(whole.database.reader).find(build.id))?.status;
  await reaches(buildWorkflowId(build.id), statusOf, 'dispatching');
  github.faults.clear();
  await whole.admin.ask('POST', `/v1/builds/${build.id}/cancel`);
  await reaches(buildWorkflowId(build.id), statusOf, 'canceled');
});

test('shows the status of a build that was never started when it was reported', { timeout: 60_000 }, async () => {
  const { newBuild } = await newWorld();
  const build = await newBuild({ status: 'failed', reason: 'source_missing' });
  const id = reportWorkflowId(build.id);
  await expect
    .poll(() => seen(id).catch(() => undefined), { timeout: 20_000 })
    .toMatchObject({ phase: 'failed', details: 'Reported to GitHub: failed (source_missing)' });
});
