import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import Koa from 'koa';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { buildRoutes } from '../../../api/builds/builds.ts';
import { createAuthenticate } from '../../../api/http/authenticate.ts';
import { mount } from '../../../api/http/mount.ts';
import { requestFrame } from '../../../api/http/request-frame.ts';
import { allBuilds, type Build } from '../../../db/builds/builds.ts';
import { allIncidents } from '../../../db/ops/incidents.ts';
import { allTokens } from '../../../db/people/tokens.ts';
import type { BuildStatus } from '../../../domain/builds/build-status.ts';
import { newId } from '../../../domain/ids.ts';
import type { Scope } from '../../../domain/people/scopes.ts';
import { createLogger } from '../../../log.ts';
import { createClient } from '../../support/client.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { unlimited } from '../../support/hooks.ts';
import { activitiesAgainst, insertBuild, insertPlatform, stateOf } from '../../support/scenes/some-build.ts';
import { sha } from '../../support/scenes/world.ts';

type View = Record<string, unknown> & { id: string; status: string };

const adminToken = 'admin-token-of-this-test';
let database: TestDatabase;
let server: Server;
let url: string;
/** The heads of the branches. If undefined, the request for a head fails. */
let heads: Record<string, string> | undefined;

beforeAll(async () => {
  database = await openTestDatabase();
  const links = { publicUrl: 'http://127.0.0.1', temporalUiUrl: 'http://127.0.0.1:8233', namespace: 'default' };
  const never = () => Promise.reject(new Error('not asked for here'));
  const broker = {
    branches: never,
    inspectWorkflowFile: never,
    liesOn: async () => true,
    branchHead: async (_asking: unknown, branch: string) => {
      if (!heads) throw new Error('GitHub is away');
      return heads[branch];
    },
  };
  const app = new Koa();
  app.use(
    requestFrame({
      logger: createLogger('silent'),
      registry: new Registry(),
      links: { publicUrl: 'http://localhost' },
    }),
  );
  const authenticate = createAuthenticate({ database, adminToken, publicUrl: links.publicUrl, limiter: unlimited });
  const frame = { database, authenticate, links, limiter: unlimited };
  for (const middleware of mount(buildRoutes({ database, broker, links }), frame)) {
    app.use(middleware);
  }
  server = createServer(app.callback()).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  server.close().closeAllConnections();
  await database.drop();
});

beforeEach(() => {
  heads = { main: sha };
});

const admin = () => createClient(url, adminToken);

async function clientOf({ orgId, projectId }: { orgId: string; projectId: string }, scopes: Scope[]) {
  const { secret } = await database.write((trx) =>
    allTokens(trx).insert({
      orgId,
      projectId,
      name: 'test',
      scopes,
      createdBy: 'operator',
      expiresAt: null,
    }),
  );
  return createClient(url, secret);
}

const move = (build: Build, ...path: BuildStatus[]) =>
  database.write(async (trx) => {
    for (const to of path) expect(await allBuilds(trx).moveStatus(build.id, to)).toBe(true);
  });

async function signalsOf(build: { id: string }): Promise<unknown[]> {
  const rows = await database.reader('commands').where({ workflow_id: `build/${build.id}`, action: 'signal' });
  return rows.map(({ signal }) => signal);
}

async function actionsOn(target: string): Promise<string[]> {
  return (await database.reader('audit_events').where({ target }).orderBy('id')).map(({ action }) => action);
}

describe('a manual build', () => {
  test('builds the head of the app’s branch', async () => {
    const { pipelineId } = await insertPlatform(database);
    const { status, body } = await admin().send<View>('POST', `/v1/pipelines/${pipelineId}/builds`, {});
    expect(status).toBe(201);
    expect(body).toMatchObject({
      status: 'queued',
      event: 'manual',
      sha,
      ref: 'refs/heads/main',
      dispatch_ref: 'refs/heads/main',
      fairlead_ref: 'refs/heads/main',
      created_by: 'operator',
      workflow_id: `build/${body.id}`,
      temporal_url: `http://127.0.0.1:8233/namespaces/default/workflows/${encodeURIComponent(`build/${body.id}`)}`,
    });
    expect(body['created_at']).toBeLessThan(1e11);
    expect(await actionsOn(body.id)).toEqual(['build.triggered']);
  });

  test('builds a tag at the given commit, with its own inputs', async () => {
    heads = undefined;
    const { pipelineId } = await insertPlatform(database, { inputs: '{"region": "eu", "tier": "a"}' });
    const body = { ref: 'refs/tags/v1', sha: 'b'.repeat(40), inputs: { region: 'us' } };
    const build = await admin().ask<View>('POST', `/v1/pipelines/${pipelineId}/builds`, body);
    expect(build).toMatchObject({
      ref: 'refs/tags/v1',
      ref_name: 'v1',
      dispatch_ref: 'refs/tags/v1',
      sha: 'b'.repeat(40),
      pipeline: { inputs: { region: 'us', tier: 'a' } },
    });
  });

  test('is created once for each Idempotency-Key', async () => {
    const { pipelineId } = await insertPlatform(database);
    const send = () =>
      admin().send<View>('POST', `/v1/pipelines/${pipelineId}/builds`, {}, { 'idempotency-key': pipelineId });
    expect((await send()).body.id).toBe((await send()).body.id);
  });

  test.each([
    ['a missing branch', { ref: 'gone' }, 422, 'ref_missing'],
    ['a tag without a commit', { ref: 'refs/tags/v1' }, 400, 'invalid_request'],
    ['a ref that is neither a branch nor a tag', { ref: 'refs/pull/1/head' }, 400, 'invalid_request'],
    ['a ref with ..', { ref: '../main' }, 400, 'invalid_request'],
    ['a short commit', { sha: 'abc' }, 400, 'invalid_request'],
    ['a reserved input', { inputs: { fairlead_build: 'x' } }, 400, 'invalid_request'],
    ['an unknown field', { branch: 'main' }, 400, 'invalid_request'],
  ])('is rejected for %s', async (_what, body, status, code) => {
    const { pipelineId } = await insertPlatform(database);
    const answer = await admin().send('POST', `/v1/pipelines/${pipelineId}/builds`, body);
    expect(answer).toMatchObject({ status, body: { code } });
  });

  test('is rejected when the pipeline does not handle manual builds or is disabled', async () => {
    for (const changes of [{ events: '["push"]' }, { enabled: false }]) {
      const { pipelineId } = await insertPlatform(database, changes);
      const answer = await admin().send('POST', `/v1/pipelines/${pipelineId}/builds`, {});
      expect(answer).toMatchObject({ status: 409, body: { code: 'event_not_enabled' } });
    }
  });

  test('returns 502 when GitHub does not respond', async () => {
    heads = undefined;
    const { pipelineId } = await insertPlatform(database);
    const answer = await admin().send('POST', `/v1/pipelines/${pipelineId}/builds`, {});
    expect(answer).toMatchObject({ status: 502, body: { code: 'provider_unavailable' } });
  });

  test('requires the scope in the pipeline’s own project', async () => {
    const platform = await insertPlatform(database);
    const path = `/v1/pipelines/${platform.pipelineId}/builds`;
    const reader = await clientOf(platform, ['builds:read']);
    expect(await reader.send('POST', path, {})).toMatchObject({ status: 403, body: { code: 'missing_scope' } });
    const stranger = await clientOf(await insertPlatform(database), ['builds:trigger']);
    expect(await stranger.send('POST', path, {})).toMatchObject({ status: 404, body: { code: 'not_found' } });
    const developer = await clientOf(platform, ['builds:trigger']);
    expect(await developer.send('POST', path, {})).toMatchObject({ status: 201 });
  });
});

describe('builds', () => {
  test('are listed newest first, with paging and filters', async () => {
    const first = await insertBuild(database);
    const client = await clientOf(first, ['builds:read', 'builds:trigger']);
    const { body: second } = await client.send<View>('POST', `/v1/pipelines/${first.pipeline.id}/builds`, {});
    await move(first, 'dispatching', 'running');

    const all = await client.ask<View[]>('GET', '/v1/builds');
    expect(all.map(({ id }) => id)).toEqual([second.id, first.id]);
    expect(await client.ask<View[]>('GET', '/v1/builds?status=running')).toMatchObject([{ id: first.id }]);
    expect(await client.ask('GET', `/v1/builds?app_id=${newId('app')}`)).toEqual([]);

    const page = await client.send<View[]>('GET', '/v1/builds?limit=1');
    const next = /<([^>]+)>/.exec(page.headers.get('link') ?? '')?.[1] ?? '';
    expect(await client.ask<View[]>('GET', next)).toMatchObject([{ id: first.id }]);
  });

  test('list their events', async () => {
    const build = await insertBuild(database);
    await move(build, 'dispatching');
    const events = await admin().ask<View[]>('GET', `/v1/builds/${build.id}/events`);
    expect(events.map(({ type }) => type)).toEqual(['status_changed', 'created']);
  });

  test('return the same 404 for another tenant’s build and for a missing build', async () => {
    const build = await insertBuild(database);
    const stranger = await clientOf(await insertPlatform(database), ['builds:read', 'builds:cancel', 'builds:trigger']);
    const answers = await Promise.all(
      [build.id, newId('bld')].flatMap((id) => [
        stranger.send<View>('GET', `/v1/builds/${id}`),
        stranger.send<View>('GET', `/v1/builds/${id}/events`),
        stranger.send<View>('POST', `/v1/builds/${id}/cancel`),
        stranger.send<View>('POST', `/v1/builds/${id}/rerun`),
      ]),
    );
    const bodies = answers.map(({ status, body }) => JSON.stringify({ ...body, status, request_id: '' }));
    expect(new Set(bodies).size).toBe(1);
    expect(answers[0]?.status).toBe(404);
  });
});

describe('a cancellation', () => {
  test.each([['queued'], ['blocked']] as const)('ends a %s build immediately', async (status) => {
    const build = await insertBuild(database, { status });
    const answer = await admin().send<View>('POST', `/v1/builds/${build.id}/cancel`);
    expect(answer).toMatchObject({ status: 200, body: { status: 'canceled', reason: 'canceled_by_request' } });
    expect(await signalsOf(build)).toEqual([]);
  });

  test('sends one signal to the workflow of a running build', async () => {
    const build = await insertBuild(database);
    await move(build, 'dispatching', 'running');
    const ask = () => admin().send<View>('POST', `/v1/builds/${build.id}/cancel`);
    expect(await ask()).toMatchObject({ status: 202, body: { status: 'running', cancel_requested: true } });
    expect(await ask()).toMatchObject({ status: 202 });
    expect(await signalsOf(build)).toEqual(['canceled']);
    expect(await actionsOn(build.id)).toEqual(['build.cancel_requested']);
    await move(build, 'canceled');
    expect(await ask()).toMatchObject({ status: 200, body: { status: 'canceled' } });
  });

  test('is rejected for a build that has ended', async () => {
    const build = await insertBuild(database);
    await move(build, 'dispatching', 'succeeded');
    const answer = await admin().send('POST', `/v1/builds/${build.id}/cancel`);
    expect(answer).toMatchObject({ status: 409, body: { code: 'invalid_transition' } });
  });
});

describe('a rerun', () => {
  test('creates a build of the same commit with the original pipeline settings', async () => {
    const build = await insertBuild(database, { message: 'Fix it' });
    await move(build, 'dispatching', 'running', 'failed');
    await database.write((trx) =>
      trx('pipelines').where({ id: build.pipeline.id }).update({ workflow_file: 'new.yml' }),
    );
    const rerun = await admin().ask<View>('POST', `/v1/builds/${build.id}/rerun`);
    expect(rerun).toMatchObject({
      status: 'queued',
      rerun_of: build.id,
      sha,
      message: 'Fix it',
      reason: null,
      run_id: null,
      pipeline: { workflow_file: 'deploy.yml' },
    });
    expect(rerun.id).not.toBe(build.id);
    expect((await stateOf(database, build)).status).toBe('failed');
  });

  test('ends an uncertain build and resolves its incident', async () => {
    const build = await insertBuild(database);
    const { run } = await activitiesAgainst(database, [{ status: 502 }]);
    await run('sendDispatch', { buildId: build.id, tries: 0 });
    await run('markUncertain', { buildId: build.id });
    await admin().ask('POST', `/v1/builds/${build.id}/rerun`);

    expect(await stateOf(database, build)).toMatchObject({ status: 'superseded', reason: 'rerun' });
    expect(await signalsOf(build)).toEqual(['canceled']);
    const { items } = await allIncidents(database.reader).list({ limit: 200 }, { status: 'open' });
    expect(items.filter(({ subjectId }) => subjectId === build.id)).toEqual([]);
  });

  test('of a fork’s build is blocked again', async () => {
    const build = await insertBuild(database, { status: 'blocked', fork: true });
    await move(build, 'canceled');
    const rerun = await admin().ask<View>('POST', `/v1/builds/${build.id}/rerun`);
    expect(rerun).toMatchObject({ status: 'blocked', reason: 'fork_pull_request', fork: true });
    expect(await database.reader('commands').where({ workflow_id: `build/${rerun.id}` })).toEqual([]);
  });

  test('is rejected while the build is running', async () => {
    const build = await insertBuild(database);
    const answer = await admin().send('POST', `/v1/builds/${build.id}/rerun`);
    expect(answer).toMatchObject({ status: 409, body: { code: 'invalid_transition' } });
  });

  type Change = [table: 'pipelines' | 'apps' | 'integrations', change: Record<string, unknown>];
  const gone = { deleted_at: 1 };
  test.each<[string, Change, string]>([
    ['whose pipeline was deleted', ['pipelines', gone], 'invalid_transition'],
    ['whose pipeline is disabled', ['pipelines', { enabled: false }], 'event_not_enabled'],
    ['whose app was deleted', ['apps', gone], 'invalid_transition'],
    ['whose integration is no longer granted to the project', ['integrations', { project_id: null }], 'no_integration'],
  ])('of a build %s is rejected and changes nothing', async (_, [table, change], code) => {
    const build = await insertBuild(database);
    await move(build, 'dispatching', 'uncertain');
    const id = { pipelines: build.pipeline.id, apps: build.appId, integrations: build.integrationId }[table];
    await database.write((trx) => trx(table).where({ id }).update(change));
    const answer = await admin().send('POST', `/v1/builds/${build.id}/rerun`);
    expect(answer).toMatchObject({ status: code === 'no_integration' ? 422 : 409, body: { code } });
    expect((await stateOf(database, build)).status).toBe('uncertain');
    expect(await database.reader('builds').where({ rerun_of: build.id })).toEqual([]);
  });
});
