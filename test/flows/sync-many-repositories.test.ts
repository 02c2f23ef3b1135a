import { afterAll, beforeAll, expect, test } from 'vitest';
import type { App, GitHubStandIn, Installation } from '../../stand-ins/github/stand-in.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { startGitHub } from '../support/github.ts';
import { addOperatorApp } from '../support/scenes/operator-app.ts';
import { type SyncWorker, startSyncWorker } from '../support/scenes/sync-worker.ts';

/** The largest account that Fairlead promises to sync. */
const count = 10_000;
const pages = count / 100;

let database: TestDatabase;
let github: GitHubStandIn;
let syncs: SyncWorker;
let app: { id: string; theirs: App };
let installation: Installation;

beforeAll(async () => {
  [database, github] = await Promise.all([openTestDatabase(), startGitHub()]);
  syncs = await startSyncWorker(database, github);
  app = await addOperatorApp(database, github);
  installation = github.addInstallation(app.theirs);
  for (let at = 0; at < count; at += 1) github.addRepository(installation, { name: `r${at}` });
}, 60_000);

afterAll(async () => {
  await syncs?.stop();
  await github?.close();
  await database?.drop();
});

async function pass() {
  const before = github.ledger.length;
  const began = performance.now();
  const handle = await syncs.request(app.id);
  await handle.result();
  const statuses = github.ledger
    .slice(before)
    .flatMap(({ path, status }) => (/^\/installation\/r/.test(path) ? [status] : []));
  const last = await syncs.client.workflow.getHandle(handle.workflowId).describe();
  return {
    statuses,
    runs: last.runId === handle.signaledRunId ? 'one' : 'several',
    seconds: (performance.now() - began) / 1000,
  };
}

const reachable = async () => {
  const rows = await database.reader('repositories').where({ github_app_id: app.id, removed_at: null });
  return new Map(rows.map(({ external_id, name }) => [external_id, name]));
};

test(`${count} repositories are read page by page, followed through changes, and cost nothing where there are none`, async () => {
  const first = await pass();
  expect(first.statuses).toEqual(Array(pages).fill(200));
  expect(new Set((await reachable()).keys())).toEqual(installation.repositoryIds);
  // A history holds fifty pages.
  if (pages > 50) expect(first.runs).toBe('several');

  const second = await pass();
  expect(second.statuses).toEqual(Array(pages).fill(304));
  expect(await reachable()).toHaveProperty('size', count);

  const all = [...github.state.repositories.values()];
  for (const one of all.filter((_, at) => at % 1000 === 7)) github.renameRepository(one, `renamed-${one.id}`);
  for (const one of all.filter((_, at) => at % 500 === 13)) github.removeRepository(one);
  for (let at = 0; at < 5; at += 1) github.addRepository(installation, { name: `new${at}` });
  const third = await pass();
  const found = await reachable();
  expect(new Set(found.keys())).toEqual(installation.repositoryIds);
  expect(found.size).toBe(count - count / 500 + 5);
  for (const id of installation.repositoryIds) expect(found.get(id)).toBe(github.state.repositories.get(id)?.name);
  expect(github.violations).toEqual([]);
  const seconds = [first, second, third].map((one) => one.seconds);
  console.info(`${count} repositories: ${seconds.map((one) => one.toFixed(1)).join(' s, ')} s`);
  expect(Math.max(...seconds)).toBeLessThan(60);
}, 180_000);
