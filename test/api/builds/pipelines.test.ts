import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { GitHubBroker } from '../../../broker/github/github.ts';
import { workflowSnippet } from '../../../domain/builds/workflow-inputs.ts';
import type { App, GitHubStandIn, Installation, Repository } from '../../../stand-ins/github/stand-in.ts';
import { startApi, type TestApi } from '../../support/api.ts';
import type { Client } from '../../support/client.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { startGitHub } from '../../support/github.ts';
import { addOperatorApp, brokerTo } from '../../support/scenes/operator-app.ts';
import { seed } from '../../support/scenes/seed.ts';
import { addToken } from '../../support/scenes/tenants.ts';
import { world } from '../../support/scenes/world.ts';

type View = { id: string } & Record<string, unknown>;

let database: TestDatabase;
let github: GitHubStandIn;
let broker: GitHubBroker;
let api: TestApi;
let admin: Client;
let githubApp: { id: string; theirs: App };
let orgId: string;
let projectId: string;
let appId: string;
let repository: Repository;
let installation: Installation;
let integrationId: string;

beforeAll(async () => {
  [database, github] = await Promise.all([openTestDatabase(), startGitHub()]);
  broker = brokerTo(database, github);
  api = await startApi({ database, broker });
  admin = api.admin;
  githubApp = await addOperatorApp(database, github);
});

beforeEach(async () => {
  installation = github.addInstallation(githubApp.theirs);
  repository = github.addRepository(installation);
  const theirs = { installation, repository };
  ({ orgId, projectId, integrationId, appId } = await world(database, { githubAppId: githubApp.id, theirs }));
});

afterEach(() => {
  expect(github.violations).toEqual([]);
  github.faults.clear();
});

afterAll(async () => {
  await api?.stop();
  await github?.close();
});

const send = (body: Record<string, unknown>) =>
  admin.send<View>('POST', `/v1/apps/${appId}/pipelines`, { name: 'deploy', workflow_file: 'deploy.yml', ...body });
const make = async (body: Record<string, unknown> = {}) => {
  const answer = await send(body);
  expect(answer.status, JSON.stringify(answer.body)).toBe(201);
  return answer.body;
};

describe('a pipeline', () => {
  test('builds pushes to all branches by default', async () => {
    const pipeline = await make();
    expect(pipeline).toEqual({
      id: expect.stringMatching(/^pip_/),
      org_id: orgId,
      project_id: projectId,
      app_id: appId,
      executor: 'github_actions',
      name: 'deploy',
      enabled: true,
      events: ['push', 'manual'],
      branches: ['**'],
      tags: [],
      workflow_file: 'deploy.yml',
      inputs: {},
      environment: null,
      environment_url: null,
      timeout_minutes: 60,
      created_at: expect.any(Number),
      updated_at: pipeline['created_at'],
    });
    expect(await admin.ask('GET', `/v1/pipelines/${pipeline.id}`)).toEqual(pipeline);
    expect(await admin.ask('GET', `/v1/apps/${appId}/pipelines`)).toEqual([pipeline]);
  });

  test('changes only the given fields, and only if it has not changed since it was read', async () => {
    const pipeline = await make({ inputs: { region: 'eu' }, environment: 'production' });
    const path = `/v1/pipelines/${pipeline.id}`;
    const changes = { events: ['tag'], tags: ['v*'], environment: null };
    const changed = await admin.send<View>('PATCH', path, changes, { 'if-match': '"1"' });
    expect(changed.body).toEqual({ ...pipeline, ...changes, updated_at: expect.any(Number) });
    expect(changed.headers.get('etag')).toBe('"2"');
    expect((await admin.send('PATCH', path, { name: 'x' }, { 'if-match': '"1"' })).status).toBe(412);
    expect(await admin.ask('GET', path)).toEqual(changed.body);
  });

  test('stores the URL of its environment, and rejects an invalid URL', async () => {
    const environment_url = 'https://shop.example/review';
    expect(await make({ environment: 'review', environment_url })).toMatchObject({ environment_url });
    for (const wrong of ['javascript:alert(1)', 'shop.example', `https://shop.example/${'x'.repeat(2_000)}`]) {
      expect((await send({ environment_url: wrong })).status).toBe(400);
    }
  });

  test('accepts one of several concurrent changes to the same revision', async () => {
    const { id } = await make();
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, at) =>
        admin.send<View>('PATCH', `/v1/pipelines/${id}`, { name: `n${at}` }, { 'if-match': '"1"' }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(9).fill(412)]);
    const won = answers.find(({ status }) => status === 200);
    const now = await admin.send<View>('GET', `/v1/pipelines/${id}`);
    expect([now.body, now.headers.get('etag')]).toEqual([won?.body, '"2"']);
  });

  test('keeps its builds when it is deleted', async () => {
    const { id } = await make();
    const build = await admin.ask<View>('POST', `/v1/pipelines/${id}/builds`, {});
    expect((await admin.send('DELETE', `/v1/pipelines/${id}`)).status).toBe(204);
    expect(await admin.ask('GET', `/v1/builds/${build.id}`)).toMatchObject({ pipeline_id: id, status: 'queued' });
    expect(await admin.ask<View[]>('GET', `/v1/builds?pipeline_id=${id}`)).toHaveLength(1);
    expect((await admin.send('POST', `/v1/pipelines/${id}/builds`, {})).status).toBe(404);
  });

  test('is soft-deleted, and each change is in the audit log', async () => {
    const pipeline = await make();
    await admin.ask('PATCH', `/v1/pipelines/${pipeline.id}`, { enabled: false });
    expect((await admin.send('DELETE', `/v1/pipelines/${pipeline.id}`)).status).toBe(204);
    expect((await admin.send('GET', `/v1/pipelines/${pipeline.id}`)).status).toBe(404);
    expect(await database.reader('pipelines').where({ id: pipeline.id })).toHaveLength(1);
    const audited = await database.reader('audit_events').where({ target: pipeline.id }).orderBy('id');
    expect(audited.map(({ action }) => action)).toEqual(['pipeline.created', 'pipeline.updated', 'pipeline.deleted']);
  });

  test('can be changed only with the scope, and only in its own project', async () => {
    const pipeline = await make();
    const path = `/v1/pipelines/${pipeline.id}`;
    const reader = api.as((await addToken(database, { orgId, projectId }, ['pipelines:read'])).secret);
    expect((await reader.send('GET', path)).status).toBe(200);
    expect((await reader.send('PATCH', path, { name: 'x' })).status).toBe(403);
    const stranger = api.as((await addToken(database, await seed(database).org('other'))).secret);
    for (const method of ['GET', 'DELETE']) expect((await stranger.send(method, path)).status).toBe(404);
    expect((await stranger.send('POST', `${path}/check`)).status).toBe(404);
  });

  const inputs = (many: number) => Object.fromEntries(Array.from({ length: many }, (_, at) => [`input_${at}`, 'x']));

  test.each([
    ['a workflow file outside the folder', { workflow_file: '../deploy.yml' }, 'body.workflow_file'],
    ['a workflow file in a folder', { workflow_file: 'a/deploy.yml' }, 'body.workflow_file'],
    ['a workflow file that is not YAML', { workflow_file: 'deploy.json' }, 'body.workflow_file'],
    ['a workflow file with a line break', { workflow_file: 'deploy.yml\n' }, 'body.workflow_file'],
    ['an invalid glob', { branches: ['release/[a-'] }, 'body.branches.0'],
    ['an unknown event', { events: ['cron'] }, 'body.events.0'],
    ['a reserved input', { inputs: { fairlead_sha: 'x' } }, 'body.inputs.fairlead_sha'],
    ['more inputs than GitHub accepts besides those of Fairlead', { inputs: inputs(23) }, 'body.inputs'],
    ['an input that is not a string', { inputs: { region: 1 } }, 'body.inputs.region'],
    ['a timeout of zero', { timeout_minutes: 0 }, 'body.timeout_minutes'],
    ['a timeout of more than a day', { timeout_minutes: 1441 }, 'body.timeout_minutes'],
    ['an unknown field', { secrets: {} }, 'body'],
  ])('with %s is rejected', async (_, changes, path) => {
    const { status, body } = await send(changes);
    expect([status, body['code']]).toEqual([400, 'invalid_request']);
    expect((body['errors'] as { path: string }[]).map((error) => error.path)).toContain(path);
  });

  test('accepts as many inputs as GitHub allows besides those of Fairlead', async () => {
    expect(Object.keys((await make({ inputs: inputs(22) }))['inputs'] as object)).toHaveLength(22);
  });
});

describe('the check of a pipeline', () => {
  type Check = { ok: boolean; problems: { code: string; detail: string }[]; snippet: string | null };

  /**
   * Checks a pipeline whose workflow file is `text` at the stand-in. If `text` is undefined, the file does not exist.
   */
  async function check(text: string | undefined, settings: Record<string, unknown> = {}): Promise<Check> {
    if (text !== undefined) repository.files.set('.github/workflows/deploy.yml', text);
    const pipeline = await make(settings);
    return admin.ask<Check>('POST', `/v1/pipelines/${pipeline.id}/check`);
  }
  const codes = ({ problems }: Check) => problems.map(({ code }) => code);
  const jobs = '\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps: [{ run: echo }]\n';

  test('finds no problem in a file that contains the snippet', async () => {
    expect(await check(workflowSnippet + jobs)).toEqual({ ok: true, problems: [], snippet: null });
  });

  test('reports that the file is missing, and returns the snippet', async () => {
    const found = await check(undefined);
    expect(codes(found)).toEqual(['workflow_file_missing']);
    expect(found).toMatchObject({ ok: false, snippet: workflowSnippet });
  });

  test.each([
    ['cannot be dispatched', `on: push${jobs}`, ['workflow_not_dispatchable']],
    ['declares no inputs', `on: workflow_dispatch${jobs}`, ['workflow_inputs_undeclared', 'run_name_unmarked']],
    ['does not show the build', workflowSnippet.replace(/^run-name.*$/m, '') + jobs, ['run_name_unmarked']],
    ['is not YAML', 'on: [push', ['workflow_file_unreadable']],
  ])('reports that the file %s', async (_, text, expected) => {
    expect(codes(await check(text))).toEqual(expected);
  });

  test('names the inputs of the pipeline that the file does not declare', async () => {
    const found = await check(workflowSnippet + jobs, { inputs: { region: 'eu' } });
    expect(found.problems).toEqual([{ code: 'workflow_inputs_undeclared', detail: expect.stringContaining('region') }]);
  });

  test('requests a token that can only read this one repository', async () => {
    await check(workflowSnippet + jobs);
    const minted = github.requests({ path: /access_tokens$/ }).at(-1);
    expect(minted?.body).toEqual({ repository_ids: [repository.id], permissions: { contents: 'read' } });
  });

  test('reads the file of the renamed repository, not of a new repository with its old name', async () => {
    const oldName = repository.name;
    github.renameRepository(repository, `moved-${oldName}`);
    const files = { '.github/workflows/deploy.yml': workflowSnippet + jobs };
    const theirs = github.addRepository(installation, { name: oldName, private: false, workflows: files });
    github.push(theirs, { ref: 'refs/heads/main' });
    expect(codes(await check(`on: push${jobs}`))).toEqual(['workflow_not_dispatchable']);
  });

  test('returns 502 when GitHub does not respond within a few seconds', async () => {
    const pipeline = await make();
    github.faults.add({ path: /\/contents\//, kind: 'hang', times: 1 });
    const began = performance.now();
    const answer = await admin.send<View>('POST', `/v1/pipelines/${pipeline.id}/check`);
    expect(answer).toMatchObject({ status: 502, body: { code: 'provider_unavailable', provider_code: 'timeout' } });
    expect(performance.now() - began).toBeLessThan(6_500);
  });

  test('does not use an integration that lost access to the repository', async () => {
    const pipeline = await make();
    await database.write((trx) => trx('bindings').where({ integration_id: integrationId }).delete());
    const before = github.ledger.length;
    const answer = await admin.send<View>('POST', `/v1/pipelines/${pipeline.id}/check`);
    expect(answer).toMatchObject({ status: 422, body: { code: 'repository_not_reachable' } });
    expect(github.ledger.length).toBe(before);
  });

  test('requires a source', async () => {
    const app = await admin.ask<View>('POST', `/v1/projects/${projectId}/apps`, { name: 'bare' });
    const body = { name: 'deploy', workflow_file: 'deploy.yml' };
    const pipeline = await admin.ask<View>('POST', `/v1/apps/${app.id}/pipelines`, body);
    const answer = await admin.send<View>('POST', `/v1/pipelines/${pipeline.id}/check`);
    expect(answer).toMatchObject({ status: 409, body: { code: 'source_missing' } });
  });
});
