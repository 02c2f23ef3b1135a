import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createGitTokens } from '../../../broker/exchange/git-tokens.ts';
import { githubAppPermissions } from '../../../domain/github/github-permissions.ts';
import type { GitHubStandIn } from '../../../stand-ins/github/stand-in.ts';
import { createRelay, type Relay } from '../../../worker/relay/relay.ts';
import { startApi, type TestApi } from '../../support/api.ts';
import { openTestDatabase } from '../../support/database.ts';
import { createFakeTemporal } from '../../support/fakes/fake-temporal.ts';
import { startGitHub } from '../../support/github.ts';
import { keyring, silent } from '../../support/hooks.ts';
import { addOperatorApp, brokerTo } from '../../support/scenes/operator-app.ts';
import { seed } from '../../support/scenes/seed.ts';
import { sync } from '../../support/scenes/sync-pass.ts';
import { addOrg, addProject, addToken } from '../../support/scenes/tenants.ts';

/** The App, its installation and a repository have these numbers on both hosts. */
const numbers = { app: 7, installation: 5, repository: 101 };
const permissions = { ...githubAppPermissions };

let standIns: [GitHubStandIn, GitHubStandIn];
let api: TestApi;
let relay: Relay;
let client: ReturnType<TestApi['as']>;
let projectId: string;
let orgId: string;
let sides: Side[];

type Side = Awaited<ReturnType<typeof settle>>;
type Listed = { id: string; full_name: string }[];

/** Creates a host with an App whose only installation is an integration of the project. */
async function settle(github: GitHubStandIn, broker: ReturnType<typeof brokerTo>, name: string) {
  const app = github.addApp({ appId: numbers.app });
  const account = { login: name, id: 9_000, type: 'Organization' } as const;
  const installation = github.addInstallation(app, { id: numbers.installation, account, permissions });
  const theirs = github.addRepository(installation, { id: numbers.repository, name });
  const { id: githubAppId } = await addOperatorApp(api.database, github, { hostUrl: github.url, theirs: app });
  await sync(api.database, broker, githubAppId);
  const row = await api.database.reader('installations').where({ github_app_id: githubAppId }).first();
  const installationId = row?.id ?? '';
  const integrationId = await seed(api.database).integration(
    { orgId, projectId, githubAppId, installationId },
    { display_name: name, host_url: github.url },
  );
  return { github, app, theirs, githubAppId, installationId, integrationId, name };
}

beforeAll(async () => {
  const [database, ...both] = await Promise.all([openTestDatabase(), startGitHub(), startGitHub({ flavour: 'ghes' })]);
  standIns = both;
  const broker = brokerTo(database, ...standIns);
  api = await startApi({ database, broker, gitTokens: createGitTokens({ database, keyring, broker }) });
  const temporal = createFakeTemporal();
  relay = createRelay({
    database,
    temporal: temporal.starter,
    logger: silent,
    registry: new Registry(),
    patienceMs: 0,
  });
  await relay.start();
  orgId = await addOrg(database);
  projectId = await addProject(database, orgId);
  client = api.as((await addToken(database, { orgId, projectId })).secret);
  sides = [await settle(standIns[0], broker, 'one'), await settle(standIns[1], broker, 'two')];
});
afterEach(() => {
  for (const github of standIns) expect(github.violations).toEqual([]);
});
afterAll(async () => {
  await relay?.stop();
  await api?.stop();
  await Promise.all(standIns.map((github) => github.close()));
});

async function makeApp(): Promise<string> {
  return (await client.ask<{ id: string }>('POST', `/v1/projects/${projectId}/apps`, { name: 'shop' })).id;
}

async function appOn(side: Side): Promise<string> {
  const app = await makeApp();
  const source = { integration_id: side.integrationId, repository_id: numbers.repository };
  await client.ask('PUT', `/v1/apps/${app}/source`, source);
  return app;
}

const exchange = (body: object) =>
  client.send<{ token: string; integration_id: string }>('POST', `/v1/projects/${projectId}/credentials/exchange`, {
    purpose: 'clone',
    ...body,
  });

test('each host lists its own repositories and branches, although all numbers are the same', async () => {
  for (const { integrationId, theirs, name } of sides) {
    const repositories = await client.ask<Listed>('GET', `/v1/integrations/${integrationId}/repositories`);
    expect(repositories.map(({ full_name }) => full_name)).toEqual([theirs.fullName]);
    const branches = `/v1/integrations/${integrationId}/repositories/${repositories[0]?.id}/branches`;
    const listed = await client.ask<{ sha: string }[]>('GET', branches);
    expect(
      listed.map(({ sha }) => sha),
      name,
    ).toEqual([theirs.branches.get('main')]);
    const [other] = sides.filter((side) => side.integrationId !== integrationId);
    const crossed = `/v1/integrations/${other?.integrationId}/repositories/${repositories[0]?.id}/branches`;
    expect((await client.send('GET', crossed)).status).toBe(404);
  }
});

test('an app names its integration, and its builds use the repository of that host', async () => {
  const refused = await client.send('PUT', `/v1/apps/${await makeApp()}/source`, { repository_id: numbers.repository });
  expect(refused).toMatchObject({
    status: 409,
    body: {
      code: 'ambiguous_integration',
      integrations: sides.toReversed().map((side) => ({ id: side.integrationId, display_name: side.name })),
    },
  });
  for (const side of sides) {
    const app = await client.ask<{ source: { repository_id: string } }>('GET', `/v1/apps/${await appOn(side)}`);
    const row = await api.database.reader('repositories').where({ id: app.source.repository_id }).first();
    expect(row?.github_app_id).toBe(side.githubAppId);
  }
});

test('a token is issued by the host of the app’s repository and works only there', async () => {
  const repositories: string[] = [];
  for (const [at, side] of sides.entries()) {
    const { status, body } = await exchange({ app_id: await appOn(side) });
    expect(status).toBe(200);
    expect(body.integration_id).toBe(side.integrationId);
    expect(side.github.state.tokens.has(body.token)).toBe(true);
    expect(sides[1 - at]?.github.state.tokens.has(body.token)).toBe(false);
    const row = await api.database.reader('repositories').where({ github_app_id: side.githubAppId }).first('id');
    repositories.push(row?.id ?? '');
  }
  expect(await exchange({ repositories })).toMatchObject({ status: 409, body: { code: 'ambiguous_integration' } });
  const [first] = sides;
  expect(await exchange({ repositories, integration_id: first?.integrationId })).toMatchObject({ status: 422 });
});

test('a push builds only the apps of its own host', async () => {
  const apps = await Promise.all(sides.map(appOn));
  for (const appId of apps) {
    const pipeline = { name: 'deploy', events: ['push'], branches: ['**'], workflow_file: 'deploy.yml' };
    await client.ask('POST', `/v1/apps/${appId}/pipelines`, pipeline);
  }
  for (const [at, side] of sides.entries()) {
    const payload = side.github.push(side.theirs, { ref: 'refs/heads/main' });
    const to = `${api.url}/v1/webhooks/github/${side.githubAppId}`;
    const sent = await side.github.sendWebhook({ app: side.app, event: 'push', payload, to });
    expect(sent.status).toBe(202);
    const { delivery_id: id } = (await sent.json()) as { delivery_id: string };
    const deliveryOf = () => api.database.reader('deliveries').where({ id }).first();
    await expect.poll(async () => (await deliveryOf())?.reason, { timeout: 10_000 }).toBe('builds_created');
    const builds = await api.database.reader('builds').where({ delivery_id: id });
    expect(builds.map((build) => [build.app_id, build.integration_id])).toEqual([[apps[at], side.integrationId]]);
  }
});

test('several accounts of one App are one list, and each token covers one account', async () => {
  const [side] = sides as [Side];
  const { github, githubAppId, app, integrationId } = side;
  const account = { login: 'another', id: 9_001, type: 'Organization' } as const;
  const installation = github.addInstallation(app, { account, permissions });
  const theirs = github.addRepository(installation, { name: 'tools' });
  await sync(api.database, brokerTo(api.database, ...standIns), githubAppId);
  const key = { github_app_id: githubAppId, external_id: installation.id };
  const row = await api.database.reader('installations').where(key).first();
  const binding = { integration_id: integrationId, installation_id: row?.id ?? '', owner_id: projectId };
  await api.database.write(async (trx) => {
    await trx('installations').where(key).update({ org_id: orgId });
    await trx('bindings').insert({ ...binding, created_at: Date.now() });
  });

  const listed = await client.ask<Listed>('GET', `/v1/integrations/${integrationId}/repositories`);
  expect(listed.map(({ full_name }) => full_name).sort()).toEqual([side.theirs.fullName, theirs.fullName].sort());
  const all = listed.map(({ id }) => id);
  expect(await exchange({ integration_id: integrationId, repositories: all })).toMatchObject({ status: 422 });
  const tools = listed.find(({ full_name }) => full_name === theirs.fullName)?.id;
  const given = await exchange({ integration_id: integrationId, repositories: [tools] });
  expect(given.status).toBe(200);
  const made = github.requests({
    method: 'POST',
    path: new RegExp(`^/app/installations/${installation.id}/access_tokens$`),
  });
  expect(made.at(-1)?.body).toMatchObject({ repository_ids: [theirs.id] });
});

test('binds no installation if two hosts have one with the same number', async () => {
  const project = await addProject(api.database, orgId, 'Third');
  const bind = (id: number) =>
    api.admin.send('POST', '/v1/integrations', { provider: 'github', installation_id: id, project_id: project });
  const refused = await bind(numbers.installation);
  expect(refused).toMatchObject({ status: 400, body: { detail: expect.stringContaining('Several hosts') } });
  expect(await api.database.reader('bindings').where({ owner_id: project })).toEqual([]);
  // The same number counts if only one host still has it.
  const one = { id: sides[0]?.installationId ?? '' };
  await api.database.write((trx) => trx('installations').where(one).update({ removed_at: Date.now() }));
  expect((await bind(numbers.installation)).status).toBe(201);
  const [bound] = await api.database.reader('bindings').where({ owner_id: project });
  expect(bound).toMatchObject({ installation_id: sides[1]?.installationId });
});
