import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { GitHubStandIn, Installation, Repository } from '../../../stand-ins/github/stand-in.ts';
import { startApi, type TestApi } from '../../support/api.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { startGitHub } from '../../support/github.ts';
import { addOperatorApp, brokerTo } from '../../support/scenes/operator-app.ts';
import { world } from '../../support/scenes/world.ts';

type Answer = { code: string; detail: string; sha: string; ref: string };

let database: TestDatabase;
let github: GitHubStandIn;
let api: TestApi;
let pipelineId: string;
let repository: Repository;
let installation: Installation;
/** The commits of `main`, oldest first, one of another branch, and one of a tag. */
let main: string[];
let feature: string;

beforeAll(async () => {
  [database, github] = await Promise.all([openTestDatabase(), startGitHub({ flavour: 'ghes' })]);
  api = await startApi({ database, broker: brokerTo(database, github) });
  const { id: githubAppId, theirs } = await addOperatorApp(database, github, { hostUrl: github.url });
  installation = github.addInstallation(theirs);
  repository = github.addRepository(installation);
  const { newPipeline } = await world(database, { githubAppId, theirs: { installation, repository } });
  pipelineId = await newPipeline();

  const push = (ref: string, before?: string) =>
    String(github.push(repository, { ref, ...(before && { before }) })['after']);
  main = [1, 2, 3].map(() => push('refs/heads/main'));
  feature = push('refs/heads/feature/one', main[0]);
  repository.tags.set('v1', main[1] ?? '');
  // A branch with the same name points to another commit.
  repository.branches.set('v1', feature);
});
afterEach(() => {
  expect(github.violations).toEqual([]);
  github.faults.clear();
});
afterAll(async () => {
  await api?.stop();
  await github?.close();
});

const build = (body: Record<string, unknown>) =>
  api.admin.send<Answer>('POST', `/v1/pipelines/${pipelineId}/builds`, body);
const builds = async () => Number((await database.reader('builds').count({ count: '*' }).first())?.['count']);

test('builds any commit in the history of a branch', async () => {
  for (const sha of main) expect(await build({ sha })).toMatchObject({ status: 201, body: { sha } });
  const ref = 'feature/one';
  expect(await build({ sha: feature, ref })).toMatchObject({ status: 201, body: { ref: 'refs/heads/feature/one' } });
  expect(await build({ sha: main[0], ref })).toMatchObject({ status: 201 });
});

test('rejects a commit of another branch, an unknown commit and a commit after the head of the branch', async () => {
  const before = await builds();
  for (const [sha, ref] of [
    [feature, 'main'],
    [main[2], 'feature/one'],
    ['f'.repeat(40), 'main'],
    [main[0], 'gone'],
  ]) {
    const refused = await build({ sha, ref });
    expect(refused).toMatchObject({ status: 422, body: { code: 'sha_not_on_ref' } });
    expect(refused.body.detail).toContain(sha);
  }
  expect(await builds()).toBe(before);
});

test('accepts for a tag only the commit that the tag points to', async () => {
  const ref = 'refs/tags/v1';
  expect(await build({ ref, sha: main[1] })).toMatchObject({ status: 201 });
  for (const sha of [main[0], main[2], feature]) {
    expect(await build({ ref, sha })).toMatchObject({ status: 422, body: { code: 'sha_not_on_ref' } });
  }
});

test('builds nothing when GitHub does not respond', async () => {
  const before = await builds();
  github.faults.add({ path: /\/compare\//, kind: 'status', status: 503, times: 1 });
  expect(await build({ sha: main[0] })).toMatchObject({ status: 502, body: { code: 'provider_unavailable' } });
  expect(await builds()).toBe(before);
});

test('checks the history of the renamed repository, not of a new repository with its old name', async () => {
  const oldName = repository.name;
  github.renameRepository(repository, 'moved');
  const theirs = github.addRepository(installation, { name: oldName, private: false });
  const elsewhere = String(github.push(theirs, { ref: 'refs/heads/main' })['after']);
  const before = github.ledger.length;
  expect(await build({ sha: elsewhere })).toMatchObject({ status: 422, body: { code: 'sha_not_on_ref' } });
  expect(await build({ sha: main[0] })).toMatchObject({ status: 201 });
  const asked = github.ledger.slice(before).map(({ path }) => path);
  expect(asked.filter((path) => path.includes(`/${oldName}/`))).toEqual([]);
});
