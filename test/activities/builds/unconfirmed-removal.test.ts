import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { refreshActivities } from '../../../activities/github/refresh.ts';
import type { ReachableRepository } from '../../../broker/github/github.ts';
import { allBuilds, type Build } from '../../../db/builds/builds.ts';
import { applyInstallationEvent } from '../../../db/github/apply-installation-event.ts';
import { repositoriesIn } from '../../../db/github/repositories.ts';
import { readGitHubEvent } from '../../../domain/deliveries/github-events.ts';
import { ProviderError } from '../../../providers/failure.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { requestOneRefresh } from '../../support/scenes/requested-refresh.ts';
import { activitiesAgainst, buildSteps, insertBuild, stateOf } from '../../support/scenes/some-build.ts';

let database: TestDatabase;
let build: Build;
let githubAppId: string;
let installationId: string;

beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database?.drop());
beforeEach(async () => {
  build = await insertBuild(database);
  const repository = await repositoriesIn(database.reader).find(build.repositoryId);
  ({ githubAppId, installationId } = repository ?? { githubAppId: '', installationId: '' });
});

const account = { login: 'acme', id: 2, type: 'Organization' };
const repository = { id: 3, name: 'shop', full_name: 'acme/shop', owner: account };

/** Applies a late event: GitHub still has the installation and the repository. */
function hear(name: string, payload: object): Promise<void> {
  const event = readGitHubEvent(name, { sender: { id: 7 }, installation: { id: 1, account }, ...payload }) as never;
  return database.write((trx) => applyInstallationEvent(trx, githubAppId, event));
}

const events = {
  'a repository that was removed': () =>
    hear('installation_repositories', {
      action: 'removed',
      repositories_removed: [repository],
      repositories_added: [],
    }),
  'a repository that was deleted': () => hear('repository', { action: 'deleted', repository }),
  'an installation that was suspended': () => hear('installation', { action: 'suspend' }),
  'an installation that was deleted': () => hear('installation', { action: 'deleted' }),
};

/** Reads the given state from GitHub. */
async function ask(says: { suspended?: boolean; gone?: boolean; without?: boolean } = {}): Promise<void> {
  const found = {
    id: 1,
    account: { login: 'acme', id: 2, type: 'Organization' },
    repositorySelection: 'all',
    permissions: {},
    events: [],
    ...(says.suspended && { suspendedAt: 5 }),
  };
  const names = { owner: 'acme', name: 'shop', fullName: 'acme/shop', url: 'https://github.com/acme/shop' };
  const reached = { ...names, visibility: 'private', defaultBranch: 'main', archived: false };
  const { readInstallation } = refreshActivities({
    database,
    broker: {
      asApp: async () => ({ getInstallation: async () => (says.gone ? undefined : found) }) as never,
      reachedRepository: async () => (says.without ? undefined : (reached as never)),
    },
  });
  const refresh = { githubAppId, installation: 1, repositories: [3] };
  await requestOneRefresh(database, refresh);
  return new MockActivityEnvironment().run(readInstallation, refresh);
}

const accepted = { status: 200, body: { workflow_run_id: 77 } };
const nothing = { status: 500 };

describe.each(Object.entries(events))('after an event of %s', (_, happens) => {
  test('no build is stopped and none is sent until GitHub confirms it', async () => {
    await happens();
    expect((await stateOf(database, build)).status).toBe('queued');
    const { run, seen } = await activitiesAgainst(database, [accepted, nothing]);
    const later = { outcome: 'later', code: 'removal_unconfirmed' };
    expect(await run('sendDispatch', { buildId: build.id, tries: 0 })).toEqual({ ...later, retryAfterMs: 1_000 });
    expect(await run('sendDispatch', { buildId: build.id, tries: 2 })).toEqual({ ...later, retryAfterMs: 4_000 });
    expect(seen).toEqual([]);

    // The timestamps that decide what is older are in milliseconds.
    await new Promise((resolve) => setTimeout(resolve, 5));
    await ask();
    expect(await run('sendDispatch', { buildId: build.id, tries: 3 })).toEqual({ outcome: 'running' });
  });

  test('the search for a run continues', async () => {
    const { run } = await activitiesAgainst(database, [accepted, nothing]);
    await run('sendDispatch', { buildId: build.id, tries: 0 });
    await happens();
    const looked = run('lookForRun', { buildId: build.id });
    await expect(looked).rejects.toMatchObject({ type: 'removal_unconfirmed', nonRetryable: false });
  });

  test('the event is trusted if GitHub cannot be reached for long', async () => {
    await happens();
    const longAgo = { unconfirmed_at: Date.now() - 3_600_000 };
    await database.write(async (trx) => {
      await trx('repositories').where({ id: build.repositoryId }).whereNotNull('unconfirmed_at').update(longAgo);
      await trx('installations').where({ id: installationId }).whereNotNull('unconfirmed_at').update(longAgo);
    });
    const { run } = await activitiesAgainst(database, [accepted, nothing]);
    expect(await run('sendDispatch', { buildId: build.id, tries: 0 })).toMatchObject({ outcome: 'over' });
  });
});

describe('a confirmation by GitHub is final', () => {
  const dispatched = async () => {
    const { run } = await activitiesAgainst(database, [nothing]);
    await run('sendDispatch', { buildId: build.id, tries: 0 });
    await new Promise((resolve) => setTimeout(resolve, 5));
    return () => run('sendDispatch', { buildId: build.id, tries: 1 });
  };

  test('for a removed repository: its waiting builds are canceled, also between two attempts', async () => {
    await events['a repository that was removed']();
    await dispatched();
    await ask({ without: true });
    expect(await stateOf(database, build)).toMatchObject({ status: 'canceled', reason: 'repository_removed' });
  });

  test.each([
    ['suspended', 'an installation that was suspended', { suspended: true }, 'suspended', /Unsuspend/],
    [
      'gone',
      'an installation that was deleted',
      { gone: true },
      'disconnected',
      /\/v1\/integrations\/int_\w+\/reauthorize/,
    ],
  ] as const)('for an installation that is %s', async (_, event, says, state, action) => {
    await events[event]();
    const again = await dispatched();
    await ask(says);
    expect(await again()).toMatchObject({ outcome: 'over' });
    const ended = await stateOf(database, build);
    expect(ended).toMatchObject({ status: 'failed', reason: 'integration_unusable' });
    expect(ended.build.detail).toMatch(`has the status ${state}`);
    expect(ended.build.detail).toMatch(action);
  });

  test('also by a complete sync, if nothing asked about this repository', async () => {
    await events['a repository that was deleted']();
    const removeUnseen = () =>
      database.write(async (trx) => {
        await trx('github_apps').where({ id: githubAppId }).increment('sync_pass', 1);
        return repositoriesIn(trx).removeUnseen(githubAppId, installationId);
      });
    expect(await removeUnseen()).toEqual([build.repositoryId]);
    expect(await removeUnseen()).toEqual([]);
  });
});

test('an event during the creation of a token does not fail the build', async () => {
  const run = buildSteps({
    database,
    broker: {
      async forRepository(): Promise<ReachableRepository> {
        await events['an installation that was suspended']();
        throw new ProviderError({ provider: 'github', code: 'installation_suspended', message: 'It is suspended' });
      },
    },
  });
  const sent = await run('sendDispatch', { buildId: build.id, tries: 0 });
  expect(sent).toMatchObject({ outcome: 'later', code: 'removal_unconfirmed' });
  expect((await allBuilds(database.reader).find(build.id))?.status).toBe('dispatching');
});
