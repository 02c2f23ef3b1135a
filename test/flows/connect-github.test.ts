import { randomUUID } from 'node:crypto';
import { Worker } from '@temporalio/worker';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { connectActivities } from '../../activities/connect/connect.ts';
import { withFailures } from '../../activities/failures.ts';
import { allConnectFlows, type ConnectFlow, type NewConnectFlow } from '../../db/connect/connect-flows.ts';
import { flowSeals } from '../../db/connect/flow-seals.ts';
import { connectGithubWorkflowId } from '../../domain/ops/workflow-ids.ts';
import type { Account, App, GitHubStandIn } from '../../stand-ins/github/stand-in.ts';
import { changed, connectGithub } from '../../workflows/connect-github.ts';
import { type Canary, sweep } from '../support/canaries/canaries.ts';
import { historyText } from '../support/canaries/history-text.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { startGitHub } from '../support/github.ts';
import { keyring } from '../support/hooks.ts';
import { applyInstallation, connectorTo, flowRows, giveClient } from '../support/scenes/connect-flow.ts';
import { addOperatorApp } from '../support/scenes/operator-app.ts';
import { seed } from '../support/scenes/seed.ts';
import { connectTemporal } from '../support/temporal.ts';

let database: TestDatabase;
let github: GitHubStandIn;
let temporal: Awaited<ReturnType<typeof connectTemporal>>;
let rows: ReturnType<typeof flowRows>;
let worker: Worker;
let running: Promise<void>;
let owner: { orgId: string; projectId: string };
const taskQueue = `test-${randomUUID()}`;
const alice: Account = { login: 'alice', id: 8_001, type: 'User' };
const mallory: Account = { login: 'mallory', id: 8_002, type: 'User' };

beforeAll(async () => {
  [database, github, temporal] = await Promise.all([openTestDatabase(), startGitHub(), connectTemporal()]);
  rows = flowRows(database, github);
  const deps = { database, keyring, connector: connectorTo(database, github) };
  worker = await Worker.create({
    connection: temporal.nativeConnection,
    taskQueue,
    workflowBundle: { codePath: temporal.codePath },
    activities: withFailures(connectActivities(deps)),
  });
  running = worker.run();
}, 60_000);

beforeEach(async () => {
  owner = await seed(database).org();
});

afterEach(() => {
  expect(github.violations).toEqual([]);
  github.faults.clear();
});

afterAll(async () => {
  worker?.shutdown();
  await running;
  await temporal?.close();
  await github?.close();
  await database?.drop();
});

/** Runs the command as the relay does. */
const nudge = ({ id }: { id: string }) =>
  temporal.client.workflow.signalWithStart(connectGithub, {
    taskQueue,
    workflowId: connectGithubWorkflowId(id),
    args: [{ flowId: id }],
    signal: changed,
  });

const reaches = (flow: { id: string }, status: string) =>
  expect.poll(async () => (await rows.find(flow.id)).status, { timeout: 20_000 }).toBe(status);

/** The browser returns from GitHub's page with this code. */
async function bring(flow: ConnectFlow, code: string): Promise<void> {
  const sealed = flowSeals(keyring, flow).sealManifestCode(code);
  await database.write((trx) => allConnectFlows(trx).move(flow.id, 'code_received', { sealedManifestCode: sealed }));
  await nudge(flow);
}

async function newManifest(changes: Partial<NewConnectFlow> = {}): Promise<ConnectFlow> {
  const flow = await rows.insert(owner, {
    kind: 'manifest',
    githubAppId: `gha_${randomUUID().slice(0, 8)}`,
    ...changes,
  });
  await rows.move(flow.id, 'page_served');
  await nudge(flow);
  return flow;
}

const secretsOf = (app: App): Canary[] => [
  { name: 'the key', value: app.privateKey.split('\n').slice(1, 3).join('\n') },
  { name: 'the client secret', value: app.clientSecret },
  { name: 'the webhook secret', value: app.webhookSecret },
];

test('creates, installs and connects a new App, and leaves no secret in the history', async () => {
  const code = github.addManifestCode({ name: 'Fairlead acme' });
  const flow = await newManifest();
  // Each kind of failure on the way also appears in the history.
  github.faults.add({ path: /conversions$/, kind: 'status', status: 503, times: 1 });
  await bring(flow, code);
  await reaches(flow, 'app_created');

  const theirs = [...github.state.apps.values()].at(-1) as App;
  const installation = github.addInstallation(theirs, { account: alice });
  await rows.move(flow.id, 'install_pending');
  github.faults.add({ path: /^\/user$/, kind: 'status', status: 502, times: 1 });
  const lost = await rows.land(flow, theirs, { installationId: installation.id, user: alice });
  await nudge(flow);
  await expect.poll(async () => (await rows.find(flow.id)).detail, { timeout: 20_000 }).toContain('sign in again');
  const again = await rows.land(flow, theirs, { user: alice });
  const handle = await nudge(flow);
  await handle.result();

  expect(await rows.find(flow.id)).toMatchObject({ status: 'completed', githubLogin: 'alice' });
  const bound = await database.reader('bindings').where({ owner_id: owner.projectId });
  expect(bound).toHaveLength(1);
  const tokens = github.requests({ path: /^\/user$/ }).map(({ headers }) => String(headers['authorization']));
  expect(tokens.length).toBeGreaterThan(0);
  const canaries: Canary[] = [
    ...secretsOf(theirs),
    ...[code, lost, again].map((value, at) => ({ name: `code ${at}`, value })),
    ...tokens.map((value) => ({ name: 'a person’s token', value: value.replace(/^\S+ /, '') })),
  ];
  const history = await historyText(handle);
  expect(history).toContain('convertManifest');
  expect(history).toContain('unavailable');
  expect(sweep(canaries, [{ name: 'the history', content: history }])).toEqual([]);
  expect(sweep(canaries, [{ name: 'a file that has one', content: `x ${code} y` }])).not.toEqual([]);
  // Few events, for a flow with two failures.
  expect((await handle.describe()).historyLength).toBeLessThan(110);
}, 60_000);

test('ends the flow within a minute after a lost answer, and says what to do', async () => {
  const flow = await newManifest();
  github.faults.add({ path: /conversions$/, kind: 'lost_answer', times: 1 });
  await bring(flow, github.addManifestCode());
  await reaches(flow, 'failed');
  const after = await rows.find(flow.id);
  expect(after.reason).toBe('conversion_answer_lost');
  expect(after.detail).toContain('/v1/integrations/github/import');
});

test('keeps waiting when a webhook names another account than the person claimed', async () => {
  const app = await addOperatorApp(database, github, { hostUrl: github.url });
  await giveClient(database, app.id, app.theirs);
  const installation = github.addInstallation(app.theirs);
  const flow = await rows.installing(owner, app.id);
  await rows.land(flow, app.theirs, { installationId: installation.id, user: mallory });
  const handle = await nudge(flow);
  await expect.poll(async () => (await rows.find(flow.id)).githubLogin, { timeout: 20_000 }).toBe('mallory');
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(await rows.find(flow.id)).toMatchObject({ status: 'install_pending' });

  const payload = github.installationPayload(installation);
  await applyInstallation(database, app.id, { ...payload, sender: { id: alice.id, login: 'alice' } });
  await nudge(flow);
  await handle.result();
  expect(await rows.find(flow.id)).toMatchObject({ status: 'rejected', reason: 'ownership_not_proven' });
  expect(await database.reader('bindings').where({ owner_id: owner.projectId })).toEqual([]);
  expect(github.requests({ path: /access_tokens$/ })).toEqual([]);
  // Everything that comes later finds the flow ended.
  const late = await nudge(flow);
  await late.result();
  expect(await rows.find(flow.id)).toMatchObject({ status: 'rejected' });
});
