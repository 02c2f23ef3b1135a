import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { App, GitHubStandIn, Installation } from '../../stand-ins/github/stand-in.ts';
import { createRelay, type Relay } from '../../worker/relay/relay.ts';
import { startApi, type TestApi } from '../support/api.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { startGitHub } from '../support/github.ts';
import { silent } from '../support/hooks.ts';
import { addOperatorApp } from '../support/scenes/operator-app.ts';
import { seed } from '../support/scenes/seed.ts';
import { type SyncWorker, startSyncWorker } from '../support/scenes/sync-worker.ts';
import { addToken } from '../support/scenes/tenants.ts';

type Accepted = { operation: { id: string; status: string; workflow_id: string } };
type View = Record<string, unknown>;

let database: TestDatabase;
let github: GitHubStandIn;
let syncs: SyncWorker;
let relay: Relay;
let api: TestApi;
let app: { id: string; theirs: App };
let installation: Installation;
let client: ReturnType<TestApi['as']>;
let path: string;

beforeAll(async () => {
  [database, github] = await Promise.all([openTestDatabase(), startGitHub()]);
  syncs = await startSyncWorker(database, github);
  api = await startApi({ database });
  app = await addOperatorApp(database, github);
  installation = github.addInstallation(app.theirs);
  for (let at = 0; at < 3; at += 1) github.addRepository(installation, { name: `r${at}` });
  await (await syncs.request(app.id)).result();

  const rows = seed(database);
  const owner = await rows.org();
  const row = await database.reader('installations').where({ github_app_id: app.id }).first();
  const integrationId = await rows.integration({ ...owner, githubAppId: app.id, installationId: row?.id ?? '' });
  path = `/v1/integrations/${integrationId}`;
  client = api.as((await addToken(database, owner)).secret);

  const onlySyncs = () => Promise.reject(new Error('nothing but syncs is asked for here'));
  relay = createRelay({
    database,
    temporal: {
      signalWithStart: async ({ input }) => {
        await syncs.request((input as { githubAppId: string }).githubAppId);
      },
      start: onlySyncs,
      signal: onlySyncs,
      isReachable: async () => true,
    },
    logger: silent,
    registry: new Registry(),
  });
  await relay.start();
}, 60_000);

afterAll(async () => {
  await relay?.stop();
  await syncs?.stop();
  await github?.close();
  await api?.stop();
});

const ask = (query = '') => client.send<Accepted>('POST', `${path}/installations${query}`);
const passesSince = (before: number) =>
  github.ledger.slice(before).filter(({ path, status }) => path === '/app/installations' && status === 200).length;
const names = async () => {
  const repositories = await client.ask<View[]>('GET', `${path}/repositories`);
  return repositories.map((one) => [one['provider_id'], one['name']]);
};

test('runs one workflow for two concurrent requests, and completes both', async () => {
  const before = github.ledger.length;
  const answers = await Promise.all([ask('?wait=10'), ask('?wait=10')]);
  expect(answers.map(({ status, body }) => [status, body.operation.status, body.operation.workflow_id])).toEqual(
    Array(2).fill([200, 'succeeded', `sync/${app.id}`]),
  );
  expect(passesSince(before)).toBeGreaterThanOrEqual(1);
  expect(passesSince(before)).toBeLessThanOrEqual(2);
});

test('runs two passes at most for thirty concurrent requests, and serves requests during a pass with the next', async () => {
  const before = github.ledger.length;
  github.faults.add({ path: /^\/app\/installations$/, kind: 'slow', delayMs: 1_000, times: 1 });
  const answers = await Promise.all(Array.from({ length: 30 }, () => ask()));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
  expect(new Set(answers.map(({ body }) => body.operation.workflow_id))).toEqual(new Set([`sync/${app.id}`]));
  await expect.poll(() => github.ledger.slice(before).length, { timeout: 10_000 }).toBeGreaterThan(0);
  github.addRepository(installation, { name: 'late' });
  expect(await ask('?wait=10')).toMatchObject({ status: 200, body: { operation: { status: 'succeeded' } } });
  expect((await names()).map(([, name]) => name)).toContain('late');
  for (const { body } of answers)
    expect(await client.ask('GET', `/v1/operations/${body.operation.id}`)).toMatchObject({
      operation: { status: 'succeeded' },
    });
  expect(passesSince(before)).toBeLessThanOrEqual(3);
});

test('shows added, removed and renamed repositories by GitHub’s numbers', async () => {
  const [renamed, removed] = [...installation.repositoryIds].flatMap((id) => github.state.repositories.get(id) ?? []);
  if (!renamed || !removed) throw new Error('there are some');
  const old = renamed.name;
  github.renameRepository(renamed, 'another-name');
  github.removeRepository(removed);
  const taken = github.addRepository(installation, { name: old });
  expect((await ask('?wait=10')).status).toBe(200);
  const found = await names();
  expect(found).toContainEqual([renamed.id, 'another-name']);
  expect(found).toContainEqual([taken.id, old]);
  expect(new Set(found.map(([id]) => id))).toEqual(installation.repositoryIds);
});
