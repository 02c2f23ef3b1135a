import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { recordRun } from '../../../db/builds/build-runs.ts';
import { allBuilds } from '../../../db/builds/builds.ts';
import { dispatchesIn } from '../../../db/builds/dispatches.ts';
import { deleteIntegration } from '../../../db/deletion/integration-deletion.ts';
import type { ProviderErrorCode } from '../../../domain/ops/provider-failures.ts';
import { ProviderError } from '../../../providers/failure.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { scriptedGitHub } from '../../support/fakes/scripted-github.ts';
import { seed } from '../../support/scenes/seed.ts';
import { activitiesAgainst, buildSteps, insertBuild, stateOf } from '../../support/scenes/some-build.ts';
import { sha } from '../../support/scenes/world.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});

afterAll(() => database.drop());

const accepted = {
  status: 200,
  body: { workflow_run_id: 77, run_url: 'https://api.github.com/r/77', html_url: 'https://github.com/acme/shop/77' },
};
const created = { status: 201, body: {} };

function dispatches(seen: { path: string }[]): number {
  return seen.filter(({ path }) => path.endsWith('/dispatches')).length;
}

describe('a dispatch that GitHub accepts', () => {
  test('starts the build’s own commit and returns the run ID', async () => {
    const build = await insertBuild(database);
    const { run, seen } = await activitiesAgainst(database, [accepted, created]);

    expect(await run('sendDispatch', { buildId: build.id, tries: 0 })).toEqual({ outcome: 'running' });
    expect(await stateOf(database, build)).toMatchObject({ status: 'running', runId: 77, dispatch: 'sent' });
    expect(seen[0]).toMatchObject({
      path: '/repos/acme/shop/actions/workflows/deploy.yml/dispatches',
      body: {
        ref: 'refs/heads/main',
        return_run_details: true,
        inputs: { region: 'eu', fairlead_build: build.id, fairlead_sha: sha, fairlead_ref: 'refs/heads/main' },
      },
    });
    expect(seen[1]).toMatchObject({
      path: `/repos/acme/shop/statuses/${sha}`,
      body: { state: 'pending', context: 'fairlead/shop/deploy', target_url: 'https://github.com/acme/shop/77' },
    });
  });

  test('is sent even if GitHub fails to accept the report', async () => {
    const build = await insertBuild(database);
    const { run } = await activitiesAgainst(database, [accepted, { status: 500 }]);
    expect(await run('sendDispatch', { buildId: build.id, tries: 0 })).toEqual({ outcome: 'running' });
    expect((await stateOf(database, build)).build.reportedStatus).toBeNull();
  });

  test('might not return the run ID', async () => {
    const build = await insertBuild(database);
    const { run } = await activitiesAgainst(database, [{ status: 204 }, created], { server: true });
    expect(await run('sendDispatch', { buildId: build.id, tries: 0 })).toEqual({ outcome: 'accepted' });
    expect(await stateOf(database, build)).toMatchObject({ status: 'dispatching', runId: null, dispatch: 'sent' });
  });

  test('is never repeated', async () => {
    const build = await insertBuild(database);
    const { run, seen } = await activitiesAgainst(database, [accepted, created]);
    await run('sendDispatch', { buildId: build.id, tries: 0 });
    await run('sendDispatch', { buildId: build.id, tries: 1 });
    expect(dispatches(seen)).toBe(1);
  });

  test('is sent once by several concurrent attempts', async () => {
    const build = await insertBuild(database);
    const { run, seen } = await activitiesAgainst(database, [accepted, created]);
    await Promise.all(Array.from({ length: 8 }, () => run('sendDispatch', { buildId: build.id, tries: 0 })));
    expect(dispatches(seen)).toBe(1);
  });
});

describe('a dispatch that GitHub rejects fails the build with the reason', () => {
  test.each([
    [404, 'Not Found', 'workflow_file_missing'],
    [422, "Workflow does not have 'workflow_dispatch' trigger", 'workflow_not_dispatchable'],
    [422, 'Unexpected inputs provided: ["fairlead_sha"]', 'workflow_inputs_undeclared'],
    [422, 'No ref found for: gone', 'ref_missing'],
    [403, 'Resource not accessible by integration', 'permission_missing'],
  ])('%i %s', async (status, message, code) => {
    const build = await insertBuild(database);
    const { run } = await activitiesAgainst(database, [{ status, body: { message } }]);
    expect(await run('sendDispatch', { buildId: build.id, tries: 0 })).toMatchObject({ outcome: 'over' });
    expect(await stateOf(database, build)).toMatchObject({ status: 'failed', reason: code, dispatch: 'refused' });
  });

  test('and with a hint if the workflow file does not declare the inputs', async () => {
    const build = await insertBuild(database);
    const message = 'Unexpected inputs provided: ["fairlead_sha"]';
    const { run } = await activitiesAgainst(database, [{ status: 422, body: { message } }]);
    await run('sendDispatch', { buildId: build.id, tries: 0 });
    expect((await stateOf(database, build)).build.detail).toContain('workflow_dispatch.inputs');
  });

  test.each(['installation_suspended', 'installation_gone', 'app_credentials_rejected'] as ProviderErrorCode[])(
    'before it is sent: %s',
    async (code) => {
      const build = await insertBuild(database);
      const run = buildSteps({ database, broker: refusing(code) });
      expect(await run('sendDispatch', { buildId: build.id, tries: 0 })).toMatchObject({ outcome: 'over' });
      expect(await stateOf(database, build)).toMatchObject({ status: 'failed', reason: code, dispatch: 'refused' });
    },
  );
});

test('does not send a dispatch through an integration whose grant was revoked', async () => {
  const build = await insertBuild(database);
  const ofOrg = { project_id: null, owner_id: build.orgId };
  await database.write((trx) => trx('integrations').where({ id: build.integrationId }).update(ofOrg));
  const { run, seen } = await activitiesAgainst(database, [accepted]);
  expect(await run('sendDispatch', { buildId: build.id, tries: 0 })).toMatchObject({ outcome: 'over' });
  expect(await stateOf(database, build)).toMatchObject({ status: 'failed', reason: 'integration_not_granted' });
  expect(seen).toEqual([]);
});

test('does not send a dispatch whose integration is deleted while its token is created', async () => {
  const build = await insertBuild(database);
  const { github, seen } = await scriptedGitHub([accepted]);
  const run = buildSteps({
    database,
    broker: {
      async forRepository() {
        const { orgId, projectId, integrationId: id } = build;
        const deletion = { id, orgId, projectId, revocation: 'auto' as const, audit: async () => {} };
        await database.write((trx) => deleteIntegration(trx, deletion));
        return {
          github: github.withToken(`ghs_${'a'.repeat(36)}`),
          fullName: 'acme/shop',
          externalId: 3,
          defaultBranch: 'main',
        };
      },
    },
  });
  await run('sendDispatch', { buildId: build.id, tries: 0 });
  expect(dispatches(seen)).toBe(0);
  expect((await stateOf(database, build)).build.cancelRequested).toBe(true);
  // The workflow was asked to end the build. This reason shows what caused it.
  await database.write((trx) => allBuilds(trx).requestCancel(build.id, 'canceled_by_request'));
  await run('endBuild', { buildId: build.id, end: { status: 'canceled', reason: 'canceled_by_request' } });
  expect(await stateOf(database, build)).toMatchObject({ status: 'canceled', reason: 'integration_deleted' });
});

test('does not send a dispatch through an integration that is being deleted', async () => {
  const build = await insertBuild(database);
  await database.write((trx) => trx('integrations').where({ id: build.integrationId }).update({ status: 'deleting' }));
  const { run, seen } = await activitiesAgainst(database, [accepted]);
  expect(await run('sendDispatch', { buildId: build.id, tries: 0 })).toMatchObject({ outcome: 'over' });
  expect(await stateOf(database, build)).toMatchObject({ status: 'failed', reason: 'integration_deleted' });
  expect(seen).toEqual([]);
});

test('does not send a dispatch of an app whose registry was deleted until the app has another one', async () => {
  const build = await insertBuild(database);
  const registry = await seed(database).registry(build, { status: 'deleted' });
  const use = (columns: object) => database.write((trx) => trx('apps').where({ id: build.appId }).update(columns));
  await use({ registry_integration_id: registry, image_repository: 'acme/shop' });
  const { run, seen } = await activitiesAgainst(database, [accepted]);
  expect(await run('sendDispatch', { buildId: build.id, tries: 0 })).toMatchObject({ outcome: 'over' });
  expect(await stateOf(database, build)).toMatchObject({ status: 'failed', reason: 'integration_deleted' });
  expect(seen).toEqual([]);

  const next = await insertBuild(database);
  const another = await seed(database).registry(next);
  await database.write((trx) =>
    trx('apps').where({ id: next.appId }).update({ registry_integration_id: another, image_repository: 'acme/shop' }),
  );
  const again = await activitiesAgainst(database, [accepted, created]);
  expect(await again.run('sendDispatch', { buildId: next.id, tries: 0 })).toEqual({ outcome: 'running' });
});

test('does not send a dispatch to a repository that the integration can no longer reach', async () => {
  const build = await insertBuild(database);
  await database.write((trx) => trx('bindings').where({ integration_id: build.integrationId }).delete());
  const { run, seen } = await activitiesAgainst(database, [accepted]);
  expect(await run('sendDispatch', { buildId: build.id, tries: 0 })).toMatchObject({ outcome: 'over' });
  expect(await stateOf(database, build)).toMatchObject({ status: 'failed', reason: 'repository_gone' });
  expect(seen).toEqual([]);
});

function refusing(code: ProviderErrorCode) {
  return {
    forRepository: () => Promise.reject(new ProviderError({ provider: 'github', code, message: 'No token' })),
  };
}

describe('a dispatch that was not sent', () => {
  test('is sent after a rate limit ends', async () => {
    const build = await insertBuild(database);
    const limited = { status: 429, headers: { 'retry-after': '30' }, body: { message: 'slow down' } };
    const { run, seen } = await activitiesAgainst(database, [limited, accepted, created]);

    const first = await run('sendDispatch', { buildId: build.id, tries: 0 });
    expect(first).toEqual({ outcome: 'later', retryAfterMs: 30_000, code: 'secondary_limited' });
    expect(await stateOf(database, build)).toMatchObject({ status: 'dispatching', dispatch: 'intent' });

    expect(await run('sendDispatch', { buildId: build.id, tries: 1 })).toEqual({ outcome: 'running' });
    expect(dispatches(seen)).toBe(2);
  });

  test('waits with a growing backoff while no token is available', async () => {
    const build = await insertBuild(database);
    const run = buildSteps({ database, broker: refusing('unavailable') });
    expect(await run('sendDispatch', { buildId: build.id, tries: 0 })).toMatchObject({ retryAfterMs: 5_000 });
    expect(await run('sendDispatch', { buildId: build.id, tries: 3 })).toMatchObject({ retryAfterMs: 40_000 });
    expect(await run('sendDispatch', { buildId: build.id, tries: 30 })).toMatchObject({ retryAfterMs: 300_000 });
    expect(await stateOf(database, build)).toMatchObject({ status: 'dispatching', dispatch: 'intent' });
  });

  test('is retried once with a new token', async () => {
    const build = await insertBuild(database);
    const { run } = await activitiesAgainst(database, [{ status: 401, body: { message: 'Bad credentials' } }]);
    expect(await run('sendDispatch', { buildId: build.id, tries: 0 })).toMatchObject({ outcome: 'later' });
    expect(await run('sendDispatch', { buildId: build.id, tries: 1 })).toMatchObject({ outcome: 'over' });
    expect(await stateOf(database, build)).toMatchObject({ status: 'failed', reason: 'token_rejected' });
  });

  test('is not sent for a build that was canceled before', async () => {
    const build = await insertBuild(database);
    await database.write((trx) => allBuilds(trx).moveStatus(build.id, 'canceled'));
    const { run, seen } = await activitiesAgainst(database, [accepted]);
    expect(await run('sendDispatch', { buildId: build.id, tries: 0 })).toMatchObject({ outcome: 'over' });
    expect(seen).toEqual([]);
  });

  test('is held back while a cancellation is requested', async () => {
    const build = await insertBuild(database);
    await database.write((trx) => allBuilds(trx).requestCancel(build.id, 'canceled_by_request'));
    const { run, seen } = await activitiesAgainst(database, [accepted]);
    expect(await run('sendDispatch', { buildId: build.id, tries: 0 })).toMatchObject({ outcome: 'later' });
    expect(seen).toEqual([]);
  });
});

describe('a dispatch without a response', () => {
  test.each([
    ['the connection broke', { drop: true }],
    ['GitHub returned an error', { status: 502 }],
    ['a proxy gave up the request', { status: 408 }],
    ['a proxy returned a page', { status: 404, headers: { 'content-type': 'text/html' }, body: '<h1>Not here</h1>' }],
    ['there was no response in time', { hang: true }],
  ])('is unknown because %s, and is not sent again', async (_why, answer) => {
    const build = await insertBuild(database);
    const { run, seen } = await activitiesAgainst(database, [answer], { timeoutMs: 200 });
    expect(await run('sendDispatch', { buildId: build.id, tries: 0 })).toEqual({ outcome: 'unknown' });
    expect(await stateOf(database, build)).toMatchObject({ status: 'dispatching', dispatch: 'unknown' });

    expect(await run('sendDispatch', { buildId: build.id, tries: 1 })).toEqual({ outcome: 'unknown' });
    expect(seen).toHaveLength(1);
  });

  test('is unknown after the worker dies, because only the attempt is stored', async () => {
    const build = await insertBuild(database);
    const { run, seen } = await activitiesAgainst(database, [{ hang: true }], { timeoutMs: 2_000 });
    const dying = run('sendDispatch', { buildId: build.id, tries: 0 });
    await expect.poll(() => dispatches(seen)).toBe(1);

    expect(await stateOf(database, build)).toMatchObject({ dispatch: 'sending' });
    expect(await run('settleDispatch', { buildId: build.id })).toEqual({ outcome: 'unknown' });
    expect(await stateOf(database, build)).toMatchObject({ dispatch: 'unknown' });
    await dying;
    expect(await stateOf(database, build)).toMatchObject({ status: 'dispatching', dispatch: 'unknown' });
  });

  test('is found if the run’s webhook arrives first', async () => {
    const build = await insertBuild(database);
    const { run, seen } = await activitiesAgainst(database, [{ hang: true }], { timeoutMs: 1_000 });
    const sending = run('sendDispatch', { buildId: build.id, tries: 0 });
    await expect.poll(() => dispatches(seen)).toBe(1);
    await database.write((trx) =>
      recordRun(trx, {
        repositoryId: build.repositoryId,
        runId: 99,
        runAttempt: 1,
        status: 'queued',
        conclusion: null,
        url: 'https://github.com/acme/shop/99',
        displayTitle: `Build ${build.id}`,
      }),
    );
    expect(await sending).toEqual({ outcome: 'running' });
    expect(await stateOf(database, build)).toMatchObject({ status: 'running', runId: 99, dispatch: 'sent' });
  });
});

describe('an attempt that died', () => {
  test('before it sent anything can be repeated', async () => {
    const build = await insertBuild(database);
    const { run } = await activitiesAgainst(database, [accepted]);
    expect(await run('settleDispatch', { buildId: build.id })).toMatchObject({ outcome: 'later' });
    await database.write((trx) => dispatchesIn(trx).intend(build.id));
    expect(await run('settleDispatch', { buildId: build.id })).toMatchObject({ outcome: 'later' });
  });

  test('after it stored the response counts as sent', async () => {
    const build = await insertBuild(database);
    const { run } = await activitiesAgainst(database, [accepted, created]);
    await run('sendDispatch', { buildId: build.id, tries: 0 });
    expect(await run('settleDispatch', { buildId: build.id })).toEqual({ outcome: 'running' });
  });
});
