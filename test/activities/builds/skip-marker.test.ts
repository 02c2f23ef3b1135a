import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { activitiesAgainst, insertBuild, stateOf } from '../../support/scenes/some-build.ts';
import { sha } from '../../support/scenes/world.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.drop());

const pullRequest = {
  event: 'pull_request',
  pullRequest: 7,
  refName: 'feature',
  dispatchRef: 'refs/heads/feature',
} as const;
const commit = (message: string) => ({ status: 200, body: { sha, message } });
const accepted = { status: 200, body: { workflow_run_id: 77, run_url: 'https://x/77', html_url: 'https://x/77' } };
const created = { status: 201, body: {} };

test('skips a pull request whose head commit has a skip marker, and sends nothing', async () => {
  const build = await insertBuild(database, pullRequest);
  const { run, seen } = await activitiesAgainst(database, [commit('Tidy up [skip ci]')]);
  expect(await run('sendDispatch', { buildId: build.id, tries: 0 })).toMatchObject({ outcome: 'over' });
  expect(await stateOf(database, build)).toMatchObject({ status: 'skipped', reason: 'skip_marker' });
  expect(seen.map(({ path }) => path)).toEqual([`/repos/acme/shop/git/commits/${sha}`]);
});

test('builds a pull request without a marker, and one whose commit cannot be read', async () => {
  for (const answer of [commit('Tidy up'), { status: 403, body: { message: 'Resource not accessible' } }]) {
    const build = await insertBuild(database, pullRequest);
    const { run } = await activitiesAgainst(database, [answer, accepted, created]);
    expect(await run('sendDispatch', { buildId: build.id, tries: 0 })).toEqual({ outcome: 'running' });
    expect(await stateOf(database, build)).toMatchObject({ status: 'running', dispatch: 'sent' });
  }
});

test('ignores the marker for a rerun', async () => {
  const first = await insertBuild(database, pullRequest);
  const build = await insertBuild(database, { ...pullRequest, rerunOf: first.id });
  const { run } = await activitiesAgainst(database, [accepted, created]);
  expect(await run('sendDispatch', { buildId: build.id, tries: 0 })).toEqual({ outcome: 'running' });
});
