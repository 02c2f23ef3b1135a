import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { startFlow } from '../../api/connect/start-flow.ts';
import { deleteOrg, deleteProject } from '../../db/owner-deletion.ts';
import { everything } from '../../db/tenant.ts';
import { type Account, type App, type GitHubStandIn, startGitHub } from '../../stand-ins/github/stand-in.ts';
import { publicUrl, startApi, type TestApi } from '../support/api.ts';
import { connectorTo, connectSteps, flowRows, giveClient } from '../support/connect-flow.ts';
import { openTestDatabase, postgresUrl, type TestDatabase } from '../support/database.ts';
import { addOperatorApp } from '../support/operator-app.ts';
import { addOrg, addProject } from '../support/tenants.ts';

// What is begun in a project or an organization just while it is deleted: one of the two waits for the other.

let database: TestDatabase;
let github: GitHubStandIn;
let api: TestApi;
let app: { id: string; theirs: App };
let owner: { orgId: string; projectId: string };
const alice: Account = { login: 'alice', id: 71, type: 'User' };

beforeAll(async () => {
  [database, github] = await Promise.all([openTestDatabase(), startGitHub()]);
  api = await startApi({ database });
  app = await addOperatorApp(database, github, { hostUrl: github.url });
  await giveClient(database, app.id, app.theirs);
});
beforeEach(async () => {
  const orgId = await addOrg(database);
  owner = { orgId, projectId: await addProject(database, orgId) };
});
afterEach(() => {
  expect(github.violations).toEqual([]);
});
afterAll(async () => {
  await api?.stop();
  await github?.close();
});

/** Long enough for another transaction to come as far as it can. */
const meanwhile = () => sleep(300);
const owned = () => ({ orgId: owner.orgId, revocation: 'auto' as const, audit: async () => {} });
const unfinished = () => database.reader('connect_flows').where({ org_id: owner.orgId, finished_at: null });
const integrations = async () =>
  (await database.reader('integrations').where({ org_id: owner.orgId })).map(({ status }) => status);

/** The commit of a deletion comes after the request has come as far as it can. */
async function asked(deleting: 'project' | 'org', path: string, body: object) {
  let answer: ReturnType<typeof api.admin.send> | undefined;
  await database.write(async (trx) => {
    if (deleting === 'org') await deleteOrg(trx, owned());
    else await deleteProject(trx, owner.projectId, owned());
    answer = api.admin.send('POST', path, body);
    await Promise.race([answer, meanwhile()]);
  });
  return answer;
}

test.each([
  ['project', (): object => ({ project_id: owner.projectId })],
  ['org', (): object => ({ org_id: owner.orgId })],
] as const)('a flow that comes while its %s is deleted is refused', async (of, whose) => {
  const body = { app: 'operator', ...whose() };
  expect(await asked(of, '/v1/integrations/github/start', body)).toMatchObject({ status: 404 });
  expect(await unfinished()).toEqual([]);
});

test('a token, an app and a project that come then are refused too', async () => {
  const { orgId, projectId } = owner;
  const token = { org_id: orgId, project_id: projectId, name: 'late', scopes: ['projects:read'] };
  expect(await asked('project', '/v1/tokens', token)).toMatchObject({ status: 404 });
  owner = { orgId, projectId: await addProject(database, orgId) };
  const path = `/v1/projects/${owner.projectId}/apps`;
  expect(await asked('project', path, { name: 'late' })).toMatchObject({ status: 404 });
  expect(await asked('org', '/v1/projects', { org_id: orgId, name: 'late' })).toMatchObject({ status: 404 });
});

test.each(['project', 'org'] as const)('a flow that was just begun ends with its %s', async (of) => {
  const { orgId, projectId } = owner;
  const connect = {
    allowedHosts: [github.url],
    redirectOrigins: [],
    defaultHost: { hostUrl: github.url, apiUrl: github.apiUrl },
  };
  const caller = { id: 'operator', kind: 'operator' as const, grants: [], ops: true };
  const body = {
    app: 'operator' as const,
    public: false,
    ...(of === 'org' ? { org_id: orgId } : { project_id: projectId }),
  };
  let deletion: ReturnType<typeof api.admin.send> | undefined;
  await database.write(async (trx) => {
    await startFlow(trx, { connect: connect as never, publicUrl }, { tenant: everything, caller }, body);
    deletion = api.admin.send('DELETE', of === 'org' ? `/v1/orgs/${orgId}` : `/v1/projects/${projectId}`);
    await Promise.race([deletion, meanwhile()]);
  });
  expect(await deletion).toMatchObject({ status: 202 });
  expect(await unfinished()).toEqual([]);
});

/** A flow of an App of the project's own, as far as the sign-in. */
async function signedIn() {
  const rows = flowRows(database, github);
  const steps = connectSteps(database, connectorTo(database, github));
  const installation = github.addInstallation(app.theirs, { account: { ...alice, id: alice.id + 1 } });
  const flow = await rows.installing(owner, app.id);
  await rows.land(flow, app.theirs, { installationId: installation.id, user: installation.account });
  await steps.identifyInstaller({ flowId: flow.id });
  return { flow, steps, installation, find: () => rows.find(flow.id) };
}

test('binds nothing to a project that is gone', async () => {
  const { flow, steps, find } = await signedIn();
  await database.write((trx) => trx('projects').where({ id: owner.projectId }).update({ deleted_at: 1 }));
  await steps.bindInstallation({ flowId: flow.id });
  expect(await find()).toMatchObject({ status: 'canceled', reason: 'integration_deleted' });
  expect(await integrations()).toEqual([]);
});

test.runIf(postgresUrl)('what is bound just before goes with its project', async () => {
  const { flow, steps, installation, find } = await signedIn();
  await database.write(async (trx) => {
    const times = { created_at: 1, updated_at: 1 };
    const known = { github_app_id: app.id, external_id: installation.id };
    const is = { account_login: 'alice', account_id: 1, target_type: 'User', repository_selection: 'all' };
    await trx('installations').insert({ id: 'ins_held', ...known, ...is, permissions: '{}', events: '[]', ...times });
  });
  let binding: Promise<void> | undefined;
  let deletion: ReturnType<typeof api.admin.send> | undefined;
  // It is in the middle of it.
  await database.write(async (trx) => {
    await trx('installations').where({ id: 'ins_held' }).forUpdate().first('id');
    binding = steps.bindInstallation({ flowId: flow.id });
    await meanwhile();
    deletion = api.admin.send('DELETE', `/v1/projects/${owner.projectId}`);
    await Promise.race([deletion, meanwhile()]);
  });
  await binding;
  expect(await deletion).toMatchObject({ status: 202 });
  expect(await find()).toMatchObject({ status: 'completed' });
  expect(await integrations()).toEqual(['deleting']);
});
