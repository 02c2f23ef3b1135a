import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { allBuilds } from '../../db/builds/builds.ts';
import { allConnectFlows } from '../../db/connect/connect-flows.ts';
import { nudgeFlow } from '../../db/connect/flow-commands.ts';
import { githubAppsIn } from '../../db/github/github-apps.ts';
import { startSync } from '../../db/github/sync-requests.ts';
import { allOperations } from '../../db/ops/operations.ts';
import { rotationsIn, wakeRotation } from '../../db/secrets/rotations.ts';
import { githubAppPermissions } from '../../domain/github/github-permissions.ts';
import type { GitHubStandIn } from '../../stand-ins/github/stand-in.ts';
import { startGitHub } from '../support/github.ts';
import { flowRows } from '../support/scenes/connect-flow.ts';
import { addOperatorApp } from '../support/scenes/operator-app.ts';
import { workflowFile } from '../support/scenes/platform.ts';
import { startWhole, type Whole } from '../support/scenes/whole.ts';
import { type World, world } from '../support/scenes/world.ts';

let github: GitHubStandIn;
let whole: Whole;
let mine: World;
let dispatched: () => number;

beforeAll(async () => {
  github = await startGitHub();
  whole = await startWhole(github, { closedEveryMs: 300 });
}, 60_000);

afterAll(async () => {
  await whole?.stop();
  await github?.close();
});

beforeEach(async () => {
  const app = await addOperatorApp(whole.database, github, { hostUrl: github.url });
  const installation = github.addInstallation(app.theirs, { permissions: { ...githubAppPermissions } });
  const files = { workflows: { '.github/workflows/deploy.yml': workflowFile } };
  const repository = github.addRepository(installation, files);
  mine = await world(whole.database, {
    githubAppId: app.id,
    theirs: { installation, repository },
    installation: { permissions: JSON.stringify(githubAppPermissions) },
  });
  const path = new RegExp(`^/repos/${repository.fullName}/actions/workflows/.*/dispatches$`);
  dispatched = () => github.requests({ method: 'POST', path }).length;
});

const within = { timeout: 20_000, interval: 100 };
const handle = (id: string) => whole.workflows.getHandle(id);
const statusOf = async (id: string) => (await handle(id).describe()).status.name;
const running = (id: string) => vi.waitFor(async () => expect(await statusOf(id)).toBe('RUNNING'), within);
const buildOf = async (id: string) => await allBuilds(whole.database.reader).find(id);

async function runningBuild(): Promise<string> {
  const { id } = await mine.newBuild();
  await vi.waitFor(async () => expect(await buildOf(id)).toMatchObject({ status: 'running' }), within);
  return id;
}

test.each(['terminate', 'cancel'] as const)(
  'cancels a build after an operator ends its workflow with %s',
  async (act) => {
    const id = await runningBuild();
    await handle(`build/${id}`)[act]();
    const end = { status: 'canceled', reason: 'ended_in_temporal' };
    await vi.waitFor(async () => expect(await buildOf(id)).toMatchObject(end), within);
    expect(dispatched()).toBe(1);
    expect(github.requests({ method: 'POST', path: /\/actions\/runs\/\d+\/cancel$/ }).length).toBeGreaterThan(0);
    await vi.waitFor(async () => expect(await statusOf(`build/${id}`)).toBe('COMPLETED'), within);
  },
  60_000,
);

test('continues a build after an operator resets its workflow, and does not send it again', async () => {
  const id = await runningBuild();
  const before = await handle(`build/${id}`).describe();
  await whole.workflows.workflowService.resetWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId: `build/${id}`, runId: before.runId },
    reason: 'An operator resets it',
    requestId: id,
    workflowTaskFinishEventId: 4 as never,
  });
  await vi.waitFor(async () => expect((await handle(`build/${id}`).describe()).runId).not.toBe(before.runId), within);
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  expect(await statusOf(`build/${id}`)).toBe('RUNNING');
  expect(await buildOf(id)).toMatchObject({ status: 'running', cancelRequested: false });
  expect(dispatched()).toBe(1);
}, 60_000);

test('finishes a deletion after an operator terminates its workflow, and revokes once', async () => {
  const { integrationId } = mine;
  // It waits for this build.
  await runningBuild();
  const { operation } = await whole.admin.ask<{ operation: { id: string } }>(
    'DELETE',
    `/v1/integrations/${integrationId}`,
  );
  await vi.waitFor(() => handle(`delete/${integrationId}`).terminate('An operator ends it'), within);
  const ended = { status: 'succeeded', outcome: 'revoked' };
  await vi.waitFor(async () => {
    expect(await allOperations(whole.database.reader).find(operation.id)).toMatchObject(ended);
  }, within);
  const path = new RegExp(`^/app/installations/${mine.installation}$`);
  expect(github.requests({ method: 'DELETE', path })).toHaveLength(1);
}, 60_000);

test('cancels a flow after an operator terminates its workflow', async () => {
  const rows = flowRows(whole.database, github);
  const flow = await rows.installing(mine, mine.githubAppId);
  await whole.database.write((trx) => nudgeFlow(trx, flow));
  await running(`connect-github/${flow.id}`);
  await handle(`connect-github/${flow.id}`).terminate('An operator ends it');
  const end = { status: 'canceled', reason: 'ended_in_temporal' };
  await vi.waitFor(async () => {
    expect(await allConnectFlows(whole.database.reader).find(flow.id)).toMatchObject(end);
  }, within);
}, 60_000);

test('continues a rotation after an operator terminates its workflow', async () => {
  const { orgId, projectId, integrationId, githubAppId } = mine;
  const credential = await whole.database.reader('credentials').where({ github_app_id: githubAppId }).first();
  const credentialId = credential?.id ?? '';
  const workflowId = await whole.database.write(async (trx) => {
    const wanted = { orgId, projectId, kind: 'rotate', subjectId: credentialId, workflowId: 'rotate' };
    const { id: operationId } = await allOperations(trx).insert(wanted);
    const versions = { newVersion: 1, oldVersion: 1, requestedBy: 'system' };
    const rotation = { orgId, projectId, integrationId, credentialId, operationId, mode: 'auto' as const, ...versions };
    const inserted = await rotationsIn(trx).insert(rotation);
    if (!inserted) throw new Error('There is a rotation already');
    await rotationsIn(trx).move(inserted.id, 'overlapping');
    await wakeRotation(trx, inserted);
    return `rotate/${credentialId}/${operationId}`;
  });
  await running(workflowId);
  const { runId } = await handle(workflowId).describe();
  await handle(workflowId).terminate('An operator ends it');
  await vi.waitFor(async () => {
    const latest = await handle(workflowId).describe();
    expect([latest.status.name, latest.runId === runId]).toEqual(['RUNNING', false]);
  }, within);
}, 60_000);

test.each(['terminate', 'cancel'] as const)(
  'fails the operation of a sync after an operator ends its workflow with %s',
  async (act) => {
    const { orgId, projectId, githubAppId } = mine;
    github.faults.add({ path: /^\/app\/installations$/, kind: 'slow', delayMs: 4_000, times: 1 });
    const operation = await whole.database.write((trx) => startSync(trx, githubAppId, { orgId, projectId }));
    await vi.waitFor(async () => {
      expect(await githubAppsIn(whole.database.reader).findPass(githubAppId)).toMatchObject({ isOpen: true });
    }, within);
    await handle(`sync/${githubAppId}`)[act]();
    const end = { status: 'failed', errorCode: 'ended_in_temporal' };
    await vi.waitFor(async () => {
      expect(await allOperations(whole.database.reader).find(operation.id)).toMatchObject(end);
    }, within);
  },
  60_000,
);
