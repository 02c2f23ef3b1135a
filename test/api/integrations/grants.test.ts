import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { usableIntegrations } from '../../../db/integrations/usable-integrations.ts';
import { newId } from '../../../domain/ids.ts';
import { adminToken, startApi, type TestApi } from '../../support/api.ts';
import { seed } from '../../support/scenes/seed.ts';
import { addEverything, addOrg, addProject, addToken, addUser, type Tenant } from '../../support/scenes/tenants.ts';

type Integration = { id: string; status: string };
type Revoked = { canceled_builds: string[]; apps: { id: string; name: string }[] };
type Client = ReturnType<TestApi['as']>;

let api: TestApi;
/** The projects for which the provider was asked for branches. */
const askedFor: string[] = [];
/** A project that uses an integration of the organization. */
let shared: Tenant;
/** A project without integrations. */
let projectId: string;
let project: Client;
let owner: Client;
let orgId: string;

beforeAll(async () => {
  api = await startApi({
    broker: {
      branches: async ({ ownerId }) => {
        askedFor.push(ownerId);
        return { branches: [], next: undefined };
      },
      branchHead: async () => 'a'.repeat(40),
      liesOn: async () => true,
      inspectWorkflowFile: async () => undefined,
    },
  });
});
afterAll(() => api?.stop());

beforeEach(async () => {
  orgId = await addOrg(api.database);
  shared = await addEverything(api.database, { orgId, projectId: await addProject(api.database, orgId) });
  const ofOrg = { project_id: null, owner_id: orgId };
  await api.database.write((trx) => trx('integrations').where({ id: shared.integrationId }).update(ofOrg));
  projectId = await addProject(api.database, orgId, 'Second');
  project = api.as((await addToken(api.database, { orgId, projectId })).secret);
  owner = api.as((await addUser(api.database, orgId, 'owner')).session);
});

const at = (of = projectId) => `/v1/integrations/${shared.integrationId}/grants/${of}`;
const grant = (of?: string) => owner.ask<{ rebound: number }>('PUT', at(of));
const revoke = (of?: string) => owner.ask<Revoked>('DELETE', at(of));
const listOf = async (who: Client) =>
  (await who.ask<Integration[]>('GET', `/v1/projects/${projectId}/integrations`)).map(({ id }) => id);

async function makeApp(): Promise<string> {
  return (await project.ask<{ id: string }>('POST', `/v1/projects/${projectId}/apps`, { name: 'shop' })).id;
}
const setSource = (app: string, body: object) => project.send('PUT', `/v1/apps/${app}/source`, body);

test('a project needs a grant to see and use an integration of its organization', async () => {
  const { integrationId, repositoryId, repository } = shared;
  const places = [
    `/v1/integrations/${integrationId}`,
    `/v1/integrations/${integrationId}/repositories`,
    `/v1/integrations/${integrationId}/installations`,
    `/v1/integrations/${integrationId}/repositories/${repositoryId}/branches`,
  ];
  const app = await makeApp();
  const statuses = () => Promise.all(places.map(async (path) => (await project.send('GET', path)).status));

  expect(await statuses()).toEqual([404, 404, 404, 404]);
  expect([await listOf(project), await listOf(owner)]).toEqual([[], []]);
  expect((await setSource(app, { integration_id: integrationId, repository_id: repository })).body).toMatchObject({
    code: 'no_integration',
  });
  expect((await setSource(app, { repository_id: repository })).body).toMatchObject({ code: 'no_integration' });

  await grant();
  askedFor.length = 0;
  expect(await statuses()).toEqual([200, 200, 200, 200]);
  expect(askedFor).toEqual([projectId]);
  expect([await listOf(project), await listOf(owner)]).toEqual([[integrationId], [integrationId]]);
  expect((await project.ask<Integration[]>('GET', '/v1/integrations')).map(({ id }) => id)).toEqual([integrationId]);
  expect((await setSource(app, { repository_id: repository })).body).toMatchObject({
    source: { integration_id: integrationId },
  });

  await revoke();
  expect(await statuses()).toEqual([404, 404, 404, 404]);
  expect([await listOf(project), await listOf(owner)]).toEqual([[], []]);
});

test('a granted integration has the same keys as any other, and shows nothing of other projects', async () => {
  await grant();
  await grant(shared.projectId);
  const [listed] = await project.ask<object[]>('GET', `/v1/projects/${projectId}/integrations`);
  expect(Object.keys(listed ?? {})).toEqual([
    'id',
    'provider',
    'host_url',
    'auth_mode',
    'status',
    'display_name',
    'app_id',
    'app_slug',
    'created_by',
    'created_at',
    'updated_at',
  ]);
  const grants = `/v1/integrations/${shared.integrationId}/grants`;
  expect((await project.send('GET', grants)).status).toBe(404);
  const all = await owner.ask<{ project_id: string }[]>('GET', grants);
  expect(all.map(({ project_id }) => project_id).sort()).toEqual([projectId, shared.projectId].sort());
});

test('a project cannot change a granted integration', async () => {
  await grant();
  const { integrationId } = shared;
  for (const path of [`/v1/integrations/${integrationId}/installations`, `/v1/integrations/${integrationId}/recover`]) {
    expect((await project.send('POST', path)).status, path).toBe(404);
  }
  const adopted = await project.send('POST', `/v1/integrations/${integrationId}/adopt`, { installation_id: 1 });
  expect(adopted.status).toBe(404);
});

test('granting or revoking twice has the same effect as once', async () => {
  const audited = async () =>
    (await api.database.reader('audit_events').where({ target: shared.integrationId }).orderBy('id')).map(
      ({ action }) => action,
    );
  const first = await grant();
  expect(await grant()).toEqual({ ...first, rebound: 0 });
  expect(await audited()).toEqual(['integration.granted']);
  await revoke();
  expect(await revoke()).toEqual({ project_id: projectId, canceled_builds: [], apps: [] });
  expect(await audited()).toEqual(['integration.granted', 'integration.grant_revoked']);
});

test('only an organization owner can grant an organization’s integration, and only to its own projects', async () => {
  const admin = api.as((await addUser(api.database, orgId, 'admin')).session);
  expect((await admin.send('PUT', at())).status).toBe(403);
  expect((await project.send('PUT', at())).status).toBe(404);
  const elsewhere = await addOrg(api.database, 'Elsewhere');
  const theirs = await addProject(api.database, elsewhere);
  const stranger = api.as((await addUser(api.database, elsewhere, 'owner')).session);
  for (const [who, path] of [
    [stranger, at()],
    [stranger, at(theirs)],
    [owner, at(theirs)],
    [owner, at(newId('prj'))],
    [api.as(adminToken), at(theirs)],
  ] as const) {
    expect((await who.send('PUT', path)).status, path).toBe(404);
    expect((await who.send('DELETE', path)).status, path).toBe(404);
  }
  const own = await addEverything(api.database, { orgId, projectId });
  const refused = await owner.send('PUT', `/v1/integrations/${own.integrationId}/grants/${shared.projectId}`);
  expect(refused).toMatchObject({ status: 409, body: { code: 'not_grantable' } });
  expect(await api.database.reader('grants').where({ org_id: orgId })).toEqual([]);
});

test('revoking a grant ends the project’s builds that use it, and no other project’s builds', async () => {
  await grant();
  await grant(shared.projectId);
  const { integrationId, repositoryId } = shared;
  const app = await makeApp();
  await setSource(app, { repository_id: repositoryId });
  const where = { orgId, projectId };
  const pipeline = await seed(api.database).pipeline({ ...where, appId: app });
  const trigger = () => project.send('POST', `/v1/pipelines/${pipeline}/builds`, {});
  const idOf = ({ body }: { body: unknown }) => (body as { id: string }).id;
  const [queued, running, ended] = [idOf(await trigger()), idOf(await trigger()), idOf(await trigger())];
  await api.database.write(async (trx) => {
    await trx('builds').where({ id: running }).update({ status: 'running' });
    await trx('builds').where({ id: ended }).update({ status: 'succeeded' });
  });

  const revoked = await revoke();
  expect(revoked.canceled_builds.sort()).toEqual([queued, running].sort());
  expect(revoked.apps).toEqual([{ id: app, name: 'shop' }]);
  const rowOf = (id: string) => api.database.reader('builds').where({ id }).first();
  expect(await rowOf(queued)).toMatchObject({ status: 'canceled', reason: 'integration_not_granted' });
  const asked = { cancel_requested: expect.toBeOneOf([1, true]), cancel_reason: 'integration_not_granted' };
  expect(await rowOf(running)).toMatchObject({ status: 'running', ...asked });
  expect(await rowOf(ended)).toMatchObject({ status: 'succeeded' });
  expect(await rowOf(shared.buildId)).toMatchObject({ status: 'queued' });

  expect(await trigger()).toMatchObject({ status: 422, body: { code: 'no_integration' } });
  expect(await project.send('POST', `/v1/pipelines/${pipeline}/check`)).toMatchObject({
    status: 422,
    body: { code: 'no_integration' },
  });
  await grant();
  expect((await trigger()).status).toBe(201);
  expect(await usableIntegrations(api.database.reader, projectId).list('github')).toMatchObject([
    { id: integrationId },
  ]);
});

describe('the tokens of a project', () => {
  const exchange = (who: Client, where: string) => {
    const body = { purpose: 'clone', repositories: [shared.repositoryId] };
    return who.send<{ token: string }>('POST', `/v1/projects/${where}/credentials/exchange`, body);
  };
  const leasesOf = (where: string) => api.database.reader('leases').where({ project_id: where });

  test('end with its grant, and other projects keep theirs', async () => {
    await grant();
    await grant(shared.projectId);
    const other = api.as((await addToken(api.database, shared)).secret);
    const [mine, theirs] = [await exchange(project, projectId), await exchange(other, shared.projectId)];
    expect([mine.status, theirs.status]).toEqual([200, 200]);
    expect(mine.body.token).not.toBe(theirs.body.token);

    await revoke();
    const [ended] = await leasesOf(projectId);
    const { revoked_at } = (await tokenOf(ended?.minted_token_id)) ?? {};
    expect(revoked_at).not.toBeNull();
    expect(ended).toMatchObject({ status: 'revoked' });
    const commands = await api.database.reader('commands').where({ workflow: 'revokeToken' });
    expect(commands.map(({ input }) => input).join()).toContain(ended?.minted_token_id);
    const [kept] = await leasesOf(shared.projectId);
    expect(kept).toMatchObject({ status: 'active' });
    expect(await tokenOf(kept?.minted_token_id)).toMatchObject({ revoked_at: null });
    expect(await exchange(project, projectId)).toMatchObject({ status: 422, body: { code: 'no_integration' } });
    expect((await exchange(other, shared.projectId)).status).toBe(200);
  });

  test('are not returned after the grant is revoked, even to concurrent requests', async () => {
    await grant();
    const asked = Array.from({ length: 20 }, () => exchange(project, projectId));
    const revoked = revoke();
    const answers = await Promise.all(asked);
    await revoked;
    expect(answers.every(({ status }) => [200, 409, 422].includes(status))).toBe(true);
    const leases = await leasesOf(projectId);
    expect(leases).toHaveLength(answers.filter(({ status }) => status === 200).length);
    expect(leases.filter(({ status }) => status !== 'revoked')).toEqual([]);
  });

  const tokenOf = (id: string | null | undefined) =>
    api.database
      .reader('minted_tokens')
      .where({ id: id ?? '' })
      .first();
});

test('a grant restores the source of apps whose integration was deleted', async () => {
  const { repositoryId, installationId, integrationId } = shared;
  const gone = await seed(api.database).integration(
    { orgId, projectId, githubAppId: shared.githubAppId, installationId },
    { status: 'deleted' },
  );
  const app = await seed(api.database).app({ orgId, projectId, integrationId: gone, repositoryId });
  await api.database.write((trx) => trx('bindings').where({ integration_id: gone }).delete());
  expect(await grant()).toMatchObject({ rebound: 1 });
  expect(await project.ask('GET', `/v1/apps/${app}`)).toMatchObject({ source: { integration_id: integrationId } });
});

test('an organization’s integration counts when an app’s integration is ambiguous', async () => {
  await grant();
  const own = await addEverything(api.database, { orgId, projectId });
  const app = await makeApp();
  const refused = await setSource(app, { repository_id: own.repository });
  expect(refused).toMatchObject({ status: 409, body: { code: 'ambiguous_integration' } });
  const listed = (refused.body as { integrations: object[] }).integrations;
  expect(listed).toEqual([
    { id: own.integrationId, display_name: 'octo' },
    { id: shared.integrationId, display_name: 'octo' },
  ]);
});

test('only an organization owner can connect for the organization or add an account to its App', async () => {
  const start = async (who: Client, body: object = { org_id: orgId }) =>
    (await who.send('POST', '/v1/integrations/github/start', body)).status;
  const admin = api.as((await addUser(api.database, orgId, 'admin')).session);
  expect(await start(admin)).toBe(403);
  expect(await start(project)).toBe(404);
  expect(await start(owner)).toBe(200);

  const { githubAppId, integrationId: integration_id } = shared;
  await api.database.write((trx) => trx('github_apps').where({ id: githubAppId }).update({ org_id: orgId }));
  const another = { app: 'own', integration_id };
  expect(await start(admin, another)).toBe(403);
  // The App of this test cannot sign people in, so the owner gets a 409.
  expect(await start(owner, another)).toBe(409);
});
