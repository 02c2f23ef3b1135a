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
  test('builds pushes of every branch, unless said otherwise', async () => {
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

  test('is changed in what is named, and only as it was read', async () => {
    const pipeline = await make({ inputs: { region: 'eu' }, environment: 'production' });
    const path = `/v1/pipelines/${pipeline.id}`;
    const changes = { events: ['tag'], tags: ['v*'], environment: null };
    const changed = await admin.send<View>('PATCH', path, changes, { 'if-match': '"1"' });
    expect(changed.body).toEqual({ ...pipeline, ...changes, updated_at: expect.any(Number) });
    expect(changed.headers.get('etag')).toBe('"2"');
    expect((await admin.send('PATCH', path, { name: 'x' }, { 'if-match': '"1"' })).status).toBe(412);
    expect(await admin.ask('GET', path)).toEqual(changed.body);
  });

  test('shows where its environment can be looked at, if that is an address', async () => {
    const environment_url = 'https://shop.example/review';
    expect(await make({ environment: 'review', environment_url })).toMatchObject({ environment_url });
    for (const wrong of ['javascript:alert(1)', 'shop.example', `https://shop.example/${'x'.repeat(2_000)}`]) {
      expect((await send({ environment_url: wrong })).status).toBe(400);
    }
  });

  test('is changed by one of many who change it at once as they read it', async () => {
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

  test('that is deleted leaves its builds', async () => {
    const { id } = await make();
    const build = await admin.ask<View>('POST', `/v1/pipelines/${id}/builds`, {});
    expect((await admin.send('DELETE', `/v1/pipelines/${id}`)).status).toBe(204);
    expect(await admin.ask('GET', `/v1/builds/${build.id}`)).toMatchObject({ pipeline_id: id, status: 'queued' });
    expect(await admin.ask<View[]>('GET', `/v1/builds?pipeline_id=${id}`)).toHaveLength(1);
    expect((await admin.send('POST', `/v1/pipelines/${id}/builds`, {})).status).toBe(404);
  });

  test('is deleted softly, and audited like every change', async () => {
    const pipeline = await make();
    await admin.ask('PATCH', `/v1/pipelines/${pipeline.id}`, { enabled: false });
    expect((await admin.send('DELETE', `/v1/pipelines/${pipeline.id}`)).status).toBe(204);
    expect((await admin.send('GET', `/v1/pipelines/${pipeline.id}`)).status).toBe(404);
    expect(await database.reader('pipelines').where({ id: pipeline.id })).toHaveLength(1);
    const audited = await database.reader('audit_events').where({ target: pipeline.id }).orderBy('id');
    expect(audited.map(({ action }) => action)).toEqual(['pipeline.created', 'pipeline.updated', 'pipeline.deleted']);
  });

  test('is changed by who may write pipelines, of this project', async () => {
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
    ['a workflow file that climbs', { workflow_file: '../deploy.yml' }, 'body.workflow_file'],
    ['a workflow file in a folder', { workflow_file: 'a/deploy.yml' }, 'body.workflow_file'],
    ['a workflow file that is no YAML', { workflow_file: 'deploy.json' }, 'body.workflow_file'],
    ['a workflow file with a line break', { workflow_file: 'deploy.yml\n' }, 'body.workflow_file'],
    ['a glob that cannot be read', { branches: ['release/[a-'] }, 'body.branches.0'],
    ['an event that is none', { events: ['cron'] }, 'body.events.0'],
    ['an input of ours', { inputs: { fairlead_sha: 'x' } }, 'body.inputs.fairlead_sha'],
    ['more inputs than GitHub takes besides ours', { inputs: inputs(23) }, 'body.inputs'],
    ['an input that is no string', { inputs: { region: 1 } }, 'body.inputs.region'],
    ['no time', { timeout_minutes: 0 }, 'body.timeout_minutes'],
    ['more than a day', { timeout_minutes: 1441 }, 'body.timeout_minutes'],
    ['a member that is not asked for', { secrets: {} }, 'body'],
  ])('with %s is refused', async (_, changes, path) => {
    const { status, body } = await send(changes);
    expect([status, body['code']]).toEqual([400, 'invalid_request']);
    expect((body['errors'] as { path: string }[]).map((error) => error.path)).toContain(path);
  });

  test('has as many inputs of its own as GitHub takes besides ours', async () => {
    expect(Object.keys((await make({ inputs: inputs(22) }))['inputs'] as object)).toHaveLength(22);
  });
});

describe('the check of a pipeline', () => {
  type Check = { ok: boolean; problems: { code: string; detail: string }[]; snippet: string | null };

  /** Checks a pipeline whose workflow file is `text` at the stand-in; nothing is a file that is not there. */
  async function check(text: string | undefined, settings: Record<string, unknown> = {}): Promise<Check> {
    if (text !== undefined) repository.files.set('.github/workflows/deploy.yml', text);
    const pipeline = await make(settings);
    return admin.ask<Check>('POST', `/v1/pipelines/${pipeline.id}/check`);
  }
  const codes = ({ problems }: Check) => problems.map(({ code }) => code);
  const jobs = '\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps: [{ run: echo }]\n';

  test('finds nothing wrong with a file that has the snippet in it', async () => {
    expect(await check(workflowSnippet + jobs)).toEqual({ ok: true, problems: [], snippet: null });
  });

  test('tells that the file is not there, and shows what it needs', async () => {
    const found = await check(undefined);
    expect(codes(found)).toEqual(['workflow_file_missing']);
    expect(found).toMatchObject({ ok: false, snippet: workflowSnippet });
  });

  test.each([
    ['cannot be dispatched', `on: push${jobs}`, ['workflow_not_dispatchable']],
    ['declares no inputs', `on: workflow_dispatch${jobs}`, ['workflow_inputs_undeclared', 'run_name_unmarked']],
    ['does not show the build', workflowSnippet.replace(/^run-name.*$/m, '') + jobs, ['run_name_unmarked']],
    ['is no YAML', 'on: [push', ['workflow_file_unreadable']],
  ])('tells that the file %s', async (_, text, expected) => {
    expect(codes(await check(text))).toEqual(expected);
  });

  test('names the inputs of the pipeline that the file does not declare', async () => {
    const found = await check(workflowSnippet + jobs, { inputs: { region: 'eu' } });
    expect(found.problems).toEqual([{ code: 'workflow_inputs_undeclared', detail: expect.stringContaining('region') }]);
  });

  test('asks for no more than to read this one repository', async () => {
    await check(workflowSnippet + jobs);
    const minted = github.requests({ path: /access_tokens$/ }).at(-1);
    expect(minted?.body).toEqual({ repository_ids: [repository.id], permissions: { contents: 'read' } });
  });

  test('reads the file of the repository itself, whoever has its old name by now', async () => {
    const oldName = repository.name;
    github.renameRepository(repository, `moved-${oldName}`);
    const files = { '.github/workflows/deploy.yml': workflowSnippet + jobs };
    const theirs = github.addRepository(installation, { name: oldName, private: false, workflows: files });
    github.push(theirs, { ref: 'refs/heads/main' });
    expect(codes(await check(`on: push${jobs}`))).toEqual(['workflow_not_dispatchable']);
  });

  test('says when GitHub does not answer, and does not wait for long', async () => {
    const pipeline = await make();
    github.faults.add({ path: /\/contents\//, kind: 'hang', times: 1 });
    const began = performance.now();
    const answer = await admin.send<View>('POST', `/v1/pipelines/${pipeline.id}/check`);
    expect(answer).toMatchObject({ status: 502, body: { code: 'provider_unavailable', provider_code: 'timeout' } });
    expect(performance.now() - began).toBeLessThan(6_500);
  });

  test('does not go through an integration that lost the repository', async () => {
    const pipeline = await make();
    await database.write((trx) => trx('bindings').where({ integration_id: integrationId }).delete());
    const before = github.ledger.length;
    const answer = await admin.send<View>('POST', `/v1/pipelines/${pipeline.id}/check`);
    expect(answer).toMatchObject({ status: 422, body: { code: 'repository_not_reachable' } });
    expect(github.ledger.length).toBe(before);
  });

  test('needs a source', async () => {
    const app = await admin.ask<View>('POST', `/v1/projects/${projectId}/apps`, { name: 'bare' });
    const body = { name: 'deploy', workflow_file: 'deploy.yml' };
    const pipeline = await admin.ask<View>('POST', `/v1/apps/${app.id}/pipelines`, body);
    const answer = await admin.send<View>('POST', `/v1/pipelines/${pipeline.id}/check`);
    expect(answer).toMatchObject({ status: 409, body: { code: 'source_missing' } });
  });
});
