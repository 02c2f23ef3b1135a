import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Account, App, GitHubStandIn, Installation } from '../../stand-ins/github/stand-in.ts';
import { publicUrl } from '../support/api.ts';
import { type Canary, type Place, sweep } from '../support/canaries/canaries.ts';
import { startGitHub } from '../support/github.ts';
import { listBuilds, setUpApp, workflowFile } from '../support/scenes/platform.ts';
import { addOrg, addProject, addToken } from '../support/scenes/tenants.ts';
import { browserAt, startWhole, type Whole } from '../support/scenes/whole.ts';

type Imported = {
  integration: { id: string; status: string; app_id: string };
  differences: Record<string, unknown>;
  set_on_github: { callback_url: string; setup_url: string };
};
type Started = { flow_id: string; install_url: string };
type Flow = { status: string; reason: string | null; integration_id: string | null };
type Bound = { installation_id: number; account: { login: string } };

const path = '/v1/integrations/github/import';
const person = (login: string, id: number): Account => ({ login, id, type: 'User' });
const [alice, mallory] = [person('alice', 8_101), person('mallory', 8_102)];
const globex: Account = { login: 'globex', id: 8_200, type: 'Organization' };
const originalFetch = globalThis.fetch;
/** Every answer of Fairlead, to all callers. */
const answers: Place[] = [];

let github: GitHubStandIn;
let whole: Whole;
/** Another person created it years ago: nothing of it is as it should be. */
let elsewhere: App;
/** It existed before the App was imported. */
let early: Installation;
let mine: Whole['admin'];
let others: Whole['admin'];
let projectId: string;
let imported: Imported;

async function recordingFetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const response = await originalFetch(input, init);
  if (String(input).startsWith(whole.url)) {
    const content = JSON.stringify([...response.headers]) + (await response.clone().text());
    answers.push({ name: `${init?.method} ${new URL(String(input)).pathname} (${response.status})`, content });
  }
  return response;
}

beforeAll(async () => {
  github = await startGitHub();
  whole = await startWhole(github);
  globalThis.fetch = recordingFetch;
  elsewhere = github.addApp({
    hookUrl: 'https://old.example.com/hook',
    permissions: { actions: 'read', contents: 'read', deployments: 'write', pull_requests: 'write', statuses: 'write' },
    events: ['push', 'pull_request', 'workflow_run'],
  });
  elsewhere.contentType = 'form';
  github.addMembership(globex, alice, 'admin');
  github.addMembership(globex, mallory, 'member');
  early = github.addInstallation(elsewhere, { account: globex });

  const { database } = whole;
  const orgId = await addOrg(database);
  projectId = await addProject(database, orgId);
  const otherOrgId = await addOrg(database, 'Other');
  await addProject(database, otherOrgId);
  mine = whole.as((await addToken(database, { orgId })).secret);
  others = whole.as((await addToken(database, { orgId: otherOrgId })).secret);
}, 90_000);
afterEach(() => {
  expect(github.violations).toEqual([]);
  github.faults.clear();
});
afterAll(async () => {
  globalThis.fetch = originalFetch;
  await whole?.stop();
  await github?.close();
});

const bodyOf = ({ appId, privateKey, webhookSecret, clientSecret }: App) => ({
  app_id: appId,
  private_key: privateKey,
  webhook_secret: webhookSecret,
  client_secret: clientSecret,
});
const importIt = (changes: Record<string, unknown> = {}, app = elsewhere, by = mine) =>
  by.send<Imported & Record<string, unknown>>('POST', path, { ...bodyOf(app), ...changes });

/** Every row that an import could leave behind. */
async function kept(): Promise<Record<string, unknown[]>> {
  const tables = ['github_apps', 'credentials', 'integrations', 'commands', 'audit_events'];
  const rows = tables.map(async (table) => [table, await whole.database.reader(table as 'github_apps').orderBy('id')]);
  return Object.fromEntries(await Promise.all(rows));
}

test('rejects an App ID and a key that do not match, and stores nothing', async () => {
  const before = await kept();
  for (const wrong of [{ private_key: github.addApp().privateKey }, { app_id: 4_711 }]) {
    const { status, body } = await importIt(wrong);
    expect(body).toMatchObject({ code: 'github_app_rejected', provider_code: 'app_credentials_rejected' });
    expect(body['detail']).toContain('a private key that is listed there');
    expect(status).toBe(422);
  }
  const notPem = `-----BEGIN RSA PRIVATE KEY-----\n${'A'.repeat(100)}\n-----END RSA PRIVATE KEY-----`;
  const { status, body } = await importIt({ private_key: notPem });
  const message = expect.stringContaining('must be an RSA private key in PEM');
  expect(body).toMatchObject({ code: 'invalid_request', errors: [{ path: 'body.private_key', message }] });
  expect(status).toBe(400);
  expect(await kept()).toEqual(before);
});

test('does not blame the key when GitHub is down or asks for a pause, and stores nothing', async () => {
  const before = await kept();
  for (const fault of [
    { kind: 'status', status: 503 },
    { kind: 'reset' },
    { kind: 'secondary_limit', retryAfter: 60 },
  ] as const) {
    github.faults.add({ path: /^\/app$/, times: 1, ...fault });
    expect(await importIt()).toMatchObject({ status: 502, body: { code: 'provider_unavailable' } });
  }
  // The App is read, its webhook is not.
  github.faults.add({ path: /^\/app\/hook\/config$/, times: 1, kind: 'status', status: 500 });
  expect(await importIt()).toMatchObject({ status: 502, body: { code: 'provider_unavailable' } });
  expect(await kept()).toEqual(before);
});

test('names what you must change on GitHub', async () => {
  const { status, body } = await importIt();
  expect(status).toBe(201);
  imported = body;
  const { integration, differences } = body;
  expect(integration).toMatchObject({ status: 'registered', app_id: String(elsewhere.appId) });
  const hook = String((differences['webhook_url'] as { expected: string }).expected);
  expect(hook).toMatch(new RegExp(`^${publicUrl}/v1/webhooks/github/gha_\\w+$`));
  const gha = hook.split('/').at(-1);
  expect(differences).toEqual({
    missing_permissions: { actions: 'write', checks: 'write', members: 'read' },
    missing_events: ['check_run', 'check_suite', 'create', 'delete', 'repository'],
    webhook_url: { expected: hook, found: 'https://old.example.com/hook' },
    content_type: { expected: 'json', found: 'form' },
  });
  expect(body.set_on_github).toEqual({
    callback_url: `${publicUrl}/v1/integrations/github/callback/${gha}`,
    setup_url: `${publicUrl}/v1/integrations/github/installed`,
  });
  // Nothing of the App was changed.
  expect(elsewhere).toMatchObject({ hookUrl: 'https://old.example.com/hook', contentType: 'form', callbackUrls: [] });
});

test('keeps one connection for one App: another import changes nothing, from any caller', async () => {
  const rows = async () => {
    const { github_apps: apps, credentials, integrations } = await kept();
    return { apps, credentials, integrations };
  };
  const before = await rows();
  const secrets = { webhook_secret: randomBytes(20).toString('hex'), client_secret: randomBytes(20).toString('hex') };
  for (const by of [mine, others]) {
    expect(await importIt(secrets, elsewhere, by)).toMatchObject({ status: 409, body: { code: 'github_app_exists' } });
  }
  expect(await rows()).toEqual(before);
  expect((await others.send('GET', `/v1/integrations/${imported.integration.id}`)).status).toBe(404);

  const contested = github.addApp();
  const answers = await Promise.all([importIt({}, contested), importIt({}, contested, others)]);
  expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
});

/** Does by hand what the import's answer asks for. */
function settle(): void {
  const { differences, set_on_github: set } = imported;
  elsewhere.hookUrl = (differences['webhook_url'] as { expected: string }).expected.replace(publicUrl, whole.url);
  elsewhere.contentType = 'json';
  elsewhere.callbackUrls = [set.callback_url];
  elsewhere.setupUrl = set.setup_url;
  Object.assign(elsewhere.permissions, differences['missing_permissions']);
  elsewhere.events = [...elsewhere.events, ...(differences['missing_events'] as string[])];
}

const flowOf = (id: string) => mine.ask<Flow>('GET', `/v1/flows/${id}`);
const ends = (id: string) =>
  expect
    .poll(() => flowOf(id), { timeout: 20_000 })
    .toMatchObject({
      status: expect.stringMatching(/completed|rejected|failed/),
    });
const boundLogins = async () =>
  (await mine.ask<Bound[]>('GET', `/v1/integrations/${imported.integration.id}/installations`)).map(
    ({ account }) => account.login,
  );

test('connects an account with the imported App', async () => {
  settle();
  github.signInAs(alice);
  const browser = browserAt(whole);
  const own = { app: 'own', integration_id: imported.integration.id };
  const { flow_id: id, install_url: url } = await mine.ask<Started>('POST', '/v1/integrations/github/start', own);
  const choosing = await browser.follow(await browser.press(await browser.visit(url), 'Continue'));
  expect(choosing.url).toContain(`/apps/${elsewhere.slug}/installations/new`);
  const installing = await browser.visit(browser.link(choosing, 'Install on @alice'));
  await browser.follow(await browser.press(installing, 'Install'));
  await ends(id);
  expect(await flowOf(id)).toMatchObject({ status: 'completed', integration_id: imported.integration.id });
  expect(await mine.ask('GET', `/v1/integrations/${imported.integration.id}`)).toMatchObject({ status: 'active' });
  expect(await boundLogins()).toEqual(['alice']);
});

const unbound = async () =>
  (await mine.ask<Bound[]>('GET', `/v1/integrations/${imported.integration.id}/installations?unbound=true`)).map(
    ({ installation_id: id }) => id,
  );

async function adopt(as: Account): Promise<Flow> {
  github.signInAs(as);
  const browser = browserAt(whole);
  const { flow_id: id, install_url: url } = await mine.ask<Started>(
    'POST',
    `/v1/integrations/${imported.integration.id}/adopt`,
    { installation_id: early.id },
  );
  const before = github.ledger.length;
  await browser.follow(await browser.press(await browser.visit(url), 'Continue'));
  await ends(id);
  // Nothing is installed: the person only signs in.
  const pages = github.ledger.slice(before).filter((entry) => entry.path.includes('/installations/new'));
  expect(pages).toEqual([]);
  return flowOf(id);
}

test('adopts no existing installation while the App may not read who administers its account', async () => {
  await expect.poll(unbound, { timeout: 20_000 }).toEqual([early.id]);
  expect(await adopt(alice)).toMatchObject({ status: 'rejected', reason: 'ownership_not_proven' });
  expect(await unbound()).toEqual([early.id]);
  // An owner approves the new permissions on GitHub.
  Object.assign(early.permissions, elsewhere.permissions);
});

test('adopts no installation for a member of its account', async () => {
  expect(await adopt(mallory)).toMatchObject({ status: 'rejected', reason: 'ownership_not_proven' });
  expect(await boundLogins()).toEqual(['alice']);
  expect(await unbound()).toEqual([early.id]);
});

test('adopts it for a person who administers the account, and builds its pushes', async () => {
  expect(await adopt(alice)).toMatchObject({ status: 'completed', integration_id: imported.integration.id });
  expect((await boundLogins()).sort()).toEqual(['alice', 'globex']);
  expect(await unbound()).toEqual([]);

  const workflows = { '.github/workflows/deploy.yml': workflowFile };
  const repository = github.addRepository(early, { workflows });
  const added = github.repositoriesAdded(early, [repository]);
  await github.sendWebhook({ app: elsewhere, event: 'installation_repositories', payload: added, installation: early });
  const where = { projectId, integrationId: imported.integration.id, repositoryId: repository.id };
  await setUpApp(mine, where);
  const payload = github.push(repository, { ref: 'refs/heads/main' });
  const answer = await github.sendWebhook({ app: elsewhere, event: 'push', payload, installation: early });
  expect(answer.status).toBe(202);
  await expect
    .poll(async () => (await listBuilds(mine)).map(({ status, sha }) => [status, sha]), { timeout: 20_000 })
    .toEqual([['running', payload['after']]]);
  expect([...github.state.runs.values()].map(({ headSha }) => headSha)).toEqual([payload['after']]);
}, 60_000);

test('contains no secret of the import in any answer', async () => {
  const { appId, ...secrets } = elsewhere;
  expect(appId).toBeGreaterThan(0);
  const canaries: Canary[] = [
    { name: 'the key', value: secrets.privateKey.split('\n')[5] ?? '' },
    { name: 'the webhook secret', value: secrets.webhookSecret },
    { name: 'the client secret', value: secrets.clientSecret },
  ];
  expect(answers.filter(({ name }) => name.startsWith(`POST ${path}`)).length).toBeGreaterThan(9);
  expect(sweep(canaries, answers)).toEqual([]);
  expect(sweep([{ name: 'the App', value: elsewhere.slug }], answers)).not.toEqual([]);
});
