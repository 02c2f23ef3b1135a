import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { githubAppsIn } from '../../db/github/github-apps.ts';
import { allOperations } from '../../db/ops/operations.ts';
import { syncWorkflowId } from '../../domain/ops/workflow-ids.ts';
import { newKeyPair } from '../../stand-ins/github/credentials.ts';
import type { App, GitHubStandIn, Installation } from '../../stand-ins/github/stand-in.ts';
import { installationView } from '../../stand-ins/github/views/views.ts';
import { historyText } from '../support/canaries/history-text.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { startGitHub } from '../support/github.ts';
import { addOperatorApp } from '../support/scenes/operator-app.ts';
import { seed } from '../support/scenes/seed.ts';
import { type SyncWorker, startSyncWorker } from '../support/scenes/sync-worker.ts';

let database: TestDatabase;
let github: GitHubStandIn;
let app: { id: string; theirs: App };
let syncs: SyncWorker;

beforeAll(async () => {
  [database, github] = await Promise.all([openTestDatabase(), startGitHub()]);
  syncs = await startSyncWorker(database, github);
}, 60_000);

beforeEach(async () => {
  app = await addOperatorApp(database, github);
});

afterEach(() => {
  expect(github.violations).toEqual([]);
  github.faults.clear();
});

afterAll(async () => {
  await syncs?.stop();
  await github?.close();
  await database?.drop();
});

const nobody = { orgId: null, projectId: null };

const request = () => syncs.request(app.id);
const pass = async () => (await request()).result();
const rowOf = ({ id }: Installation) =>
  database.reader('installations').where({ github_app_id: app.id, external_id: id }).first();
const reachable = () => database.reader('repositories').where({ github_app_id: app.id, removed_at: null });
const pagesOf = (path: RegExp, since = 0) => github.ledger.slice(since).filter((entry) => path.test(entry.path));

function fill(installation: Installation, count: number): void {
  for (let at = 0; at < count; at += 1) github.addRepository(installation, { name: `r${at}-${installation.id}` });
}

const addOperation = (owner: { orgId: string; projectId: string } | { orgId: null; projectId: null } = nobody) =>
  database.write((trx) =>
    allOperations(trx).insert({
      ...owner,
      kind: 'sync',
      subjectId: app.id,
      workflowId: syncWorkflowId(app.id),
    }),
  );

test('reads 250 repositories, ends the requested operation, and leaves no secret in the history', async () => {
  const installation = github.addInstallation(app.theirs);
  fill(installation, 250);
  const before = github.ledger.length;
  const { id } = await addOperation();
  const handle = await request();
  await handle.result();

  expect(await reachable()).toHaveLength(250);
  expect(pagesOf(/^\/installation\/repositories$/, before)).toHaveLength(3);
  expect(await allOperations(database.reader).find(id)).toMatchObject({ status: 'succeeded' });
  const history = await historyText(handle);
  expect(history).toContain(app.id);
  expect(history).not.toMatch(/ghs_|PRIVATE KEY/);
  for (const secret of [app.theirs.webhookSecret, app.theirs.clientSecret]) expect(history).not.toContain(secret);
});

test('reads a failed page again and misses nothing', async () => {
  const installation = github.addInstallation(app.theirs);
  fill(installation, 120);
  await pass();
  github.faults.add({ path: /^\/installation\/repositories$/, kind: 'status', status: 500, times: 2 });
  const before = github.ledger.length;
  const handle = await request();
  const seen: number[] = [];
  const done = handle.result().then(() => true);
  while (!(await Promise.race([done, new Promise((resolve) => setTimeout(resolve, 100, false))]))) {
    seen.push((await reachable()).length);
  }
  expect(new Set([...seen, (await reachable()).length])).toEqual(new Set([120]));
  const answers = pagesOf(/^\/installation\/repositories$/, before).map(({ status }) => status);
  expect(answers).toEqual([500, 500, 304, 304]);
});

test('runs one more pass of the same workflow for requests during a pass', async () => {
  const installation = github.addInstallation(app.theirs);
  fill(installation, 1);
  const before = github.ledger.length;
  github.faults.add({ path: /^\/app\/installations$/, kind: 'slow', delayMs: 1_500, times: 1 });
  const first = await request();
  await expect.poll(() => pagesOf(/^\/app\/installations$/, before).length, { timeout: 10_000 }).toBe(1);
  const others = [await request(), await request()];
  expect(others.map(({ signaledRunId }) => signaledRunId)).toEqual([first.signaledRunId, first.signaledRunId]);
  github.addRepository(installation, { name: `late-${installation.id}` });
  await first.result();
  expect(pagesOf(/^\/app\/installations$/, before)).toHaveLength(2);
  expect(await reachable()).toHaveLength(2);
});

test('ends the operation at once with a code if GitHub rejects the App’s key, and removes nothing', async () => {
  const installation = github.addInstallation(app.theirs);
  fill(installation, 3);
  await pass();
  const { publicKey } = app.theirs;
  app.theirs.publicKey = newKeyPair().publicKey;
  const { id } = await addOperation();
  const began = performance.now();
  await pass();
  expect(performance.now() - began).toBeLessThan(10_000);

  const failed = await allOperations(database.reader).find(id);
  expect(failed).toMatchObject({ status: 'failed', errorCode: 'app_credentials_rejected' });
  expect(failed?.errorDetail).not.toMatch(/PRIVATE KEY|eyJ/);
  expect((await githubAppsIn(database.reader).find(app.id))?.syncError).toBe(failed?.errorDetail);
  expect(await reachable()).toHaveLength(3);
  expect((await rowOf(installation))?.removed_at).toBeNull();

  app.theirs.publicKey = publicKey;
  await pass();
  expect((await githubAppsIn(database.reader).find(app.id))?.syncError).toBeNull();
});

test('keeps the data of a suspended installation, and ends an uninstalled one after a pass', async () => {
  const [suspended, gone] = [github.addInstallation(app.theirs), github.addInstallation(app.theirs)];
  fill(suspended, 2);
  fill(gone, 2);
  await pass();
  github.suspend(suspended);
  github.uninstall(gone);
  await pass();
  expect(await rowOf(suspended)).toMatchObject({ removed_at: null, suspended_at: expect.any(Number) });
  expect((await rowOf(gone))?.removed_at).toEqual(expect.any(Number));
  expect((await reachable()).filter((one) => one.name.endsWith(`-${suspended.id}`))).toHaveLength(2);
});

/** GitHub's answer to a token request from an address that the organization does not allow. */
const refusal = {
  kind: 'status',
  status: 403,
  body: {
    message:
      'Although you appear to have the correct authorization credentials, the `acme` organization has an IP allow list enabled, and your IP address is not permitted to access this resource.',
    documentation_url: 'https://docs.github.com/rest',
  },
} as const;
const errorOf = async (id: string) => {
  const { status, errorCode, errorDetail } = (await allOperations(database.reader).find(id)) ?? {};
  return [status, errorCode, errorDetail];
};
const incidentsOf = (subject: string) => database.reader('incidents').where({ subject_id: subject });

test('skips an installation that fails, reads the others, and reports to each organization its own', async () => {
  const rows = seed(database);
  const [mine, theirs] = [await rows.org('mine'), await rows.org('theirs')];
  const account = (login: string, id: number) => ({ account: { login, id, type: 'Organization' as const } });
  const refusing = github.addInstallation(app.theirs, account('refusing', 501));
  const open = github.addInstallation(app.theirs, account('open', 502));
  fill(refusing, 3);
  fill(open, 3);
  await pass();
  for (const [installation, owner] of [
    [refusing, mine],
    [open, theirs],
  ] as const) {
    const installationId = (await rowOf(installation))?.id ?? '';
    await rows.integration({ ...owner, githubAppId: app.id, installationId });
  }
  const operations = [await addOperation(), await addOperation(mine), await addOperation(theirs)];
  github.faults.add({ path: new RegExp(`/${refusing.id}/access_tokens$`), ...refusal });
  for (const repository of github.state.repositories.values())
    if (repository.installationId === refusing.id) github.removeRepository(repository);
  github.addRepository(open, { name: 'new' });
  // The earlier token would still work.
  syncs.forgetTokens();
  await pass();

  const detail = '1 installation was not read, the others were: refusing (policy)';
  expect(await Promise.all(operations.map(({ id }) => errorOf(id)))).toEqual([
    ['failed', 'policy', detail],
    ['failed', 'policy', detail],
    ['succeeded', null, null],
  ]);
  expect(await githubAppsIn(database.reader).find(app.id)).toMatchObject({ syncError: detail });
  const of = async (name: string) => (await reachable()).filter(({ owner }) => owner === name);
  expect(await of('refusing')).toHaveLength(3);
  expect(await of('open')).toHaveLength(4);
  const subject = (await rowOf(refusing))?.id ?? '';
  expect(await incidentsOf(subject)).toMatchObject([
    {
      code: 'installation_unreadable',
      org_id: mine.orgId,
      status: 'open',
      action: expect.stringContaining('IP allow list'),
    },
  ]);

  github.faults.clear();
  await pass();
  expect(await of('refusing')).toHaveLength(0);
  expect(await githubAppsIn(database.reader).find(app.id)).toMatchObject({ syncError: null });
  expect(await incidentsOf(subject)).toMatchObject([{ status: 'resolved' }]);
});

test('keeps the other installations when one has no account, and does not end that one', async () => {
  const [known, other] = [github.addInstallation(app.theirs), github.addInstallation(app.theirs)];
  fill(other, 2);
  await pass();
  const body = [
    { ...installationView(github.state, known), account: null },
    installationView(github.state, other),
    { ...installationView(github.state, known), id: 999_999, account: null },
  ];
  github.faults.add({ path: /^\/app\/installations$/, kind: 'status', status: 200, body, times: 1 });
  fill(other, 1);
  const { id } = await addOperation();
  await pass();
  expect((await rowOf(known))?.removed_at).toBeNull();
  expect(await reachable()).toHaveLength(3);
  expect(await errorOf(id)).toEqual([
    'failed',
    'installations_skipped',
    '2 installations were not read, the others were: acme (unexpected), 1 more',
  ]);
});

test('asks for an installation that is on no page, and ends it only if it no longer exists', async () => {
  const [hidden, gone] = [github.addInstallation(app.theirs), github.addInstallation(app.theirs)];
  fill(hidden, 1);
  fill(gone, 1);
  await pass();
  fill(hidden, 2);
  github.uninstall(gone);
  // This happens when another installation ends while the pages are read.
  github.faults.add({ path: /^\/app\/installations$/, kind: 'status', status: 200, body: [], times: 1 });
  await pass();
  expect((await rowOf(hidden))?.removed_at).toBeNull();
  expect((await reachable()).filter(({ name }) => name.endsWith(`-${hidden.id}`))).toHaveLength(3);
  expect((await rowOf(gone))?.removed_at).toEqual(expect.any(Number));
});
