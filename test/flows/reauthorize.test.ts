import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { githubCallbackPath, githubInstalledPath } from '../../domain/connect/github-manifest.ts';
import type { Account, App, GitHubStandIn, Installation, Repository } from '../../stand-ins/github/stand-in.ts';
import { publicUrl } from '../support/api.ts';
import { startGitHub } from '../support/github.ts';
import { giveClient } from '../support/scenes/connect-flow.ts';
import { addOperatorApp } from '../support/scenes/operator-app.ts';
import { listBuilds, setUpApp, workflowFile } from '../support/scenes/platform.ts';
import { addOrg, addProject, addToken } from '../support/scenes/tenants.ts';
import { browserAt, startWhole, type Whole } from '../support/scenes/whole.ts';

type View = Record<string, unknown>;
type Started = { flow_id: string; url: string; expires_at: number };
type Flow = { status: string; reason: string | null; integration_id: string | null };

const person = (login: string, id: number): Account => ({ login, id, type: 'User' });
const [alice, mallory] = [person('alice', 8_301), person('mallory', 8_302)];

let github: GitHubStandIn;
let whole: Whole;
let app: { id: string; theirs: App };
let mine: Whole['admin'];
let others: Whole['admin'];
let projectId: string;
let repository: Repository;
let installation: Installation;
let integrationId: string;
let appId: string;

beforeAll(async () => {
  github = await startGitHub();
  whole = await startWhole(github);
  const theirs = github.addApp({
    public: true,
    hookUrl: `${whole.url}/v1/webhooks/github`,
    callbackUrls: [publicUrl + githubCallbackPath()],
    setupUrl: publicUrl + githubInstalledPath,
  });
  app = await addOperatorApp(whole.database, github, { hostUrl: github.url, theirs });
  await giveClient(whole.database, app.id, theirs);
  repository = github.addOwnRepository(alice, { workflows: { '.github/workflows/deploy.yml': workflowFile } });

  const { database } = whole;
  const orgId = await addOrg(database);
  projectId = await addProject(database, orgId);
  mine = whole.as((await addToken(database, { orgId, projectId })).secret);
  others = whole.as((await addToken(database, { orgId: await addOrg(database, 'Other') })).secret);

  const begun = await mine.ask<{ flow_id: string; install_url: string }>('POST', '/v1/integrations/github/start', {
    project_id: projectId,
    app: 'operator',
    display_name: 'Shop’s account',
  });
  await install(begun.install_url, alice);
  integrationId = String((await ends(begun.flow_id)).integration_id);
  installation = present(alice) as Installation;
  ({ appId } = await setUpApp(mine, { projectId, integrationId, repositoryId: repository.id }));
}, 120_000);
afterEach(() => {
  expect(github.violations).toEqual([]);
  github.faults.clear();
});
afterAll(async () => {
  await whole?.stop();
  await github?.close();
});

const present = ({ id }: Account) => [...github.state.installations.values()].find(({ account }) => account.id === id);

/** In a browser: the link, GitHub's page of the installation, and the sign-in. */
async function install(url: string, as: Account): Promise<void> {
  github.signInAs(as);
  const browser = browserAt(whole);
  const page = await browser.follow(await browser.press(await browser.visit(url), 'Continue'));
  await browser.follow(await browser.press(page, 'Install'));
}

/** In a browser, with nothing to install. */
async function signIn(url: string, as: Account): Promise<void> {
  github.signInAs(as);
  const browser = browserAt(whole);
  await browser.follow(await browser.press(await browser.visit(url), 'Continue'));
}

async function ends(flowId: string): Promise<Flow> {
  const flow = () => mine.ask<Flow>('GET', `/v1/flows/${flowId}`);
  const isOver = async () => expect((await flow()).status).toMatch(/completed|rejected|failed/);
  await vi.waitFor(isOver, { timeout: 20_000, interval: 100 });
  return flow();
}

const reauthorize = (by = mine) => by.send<Started>('POST', `/v1/integrations/${integrationId}/reauthorize`, {});
const integration = () => mine.ask<View>('GET', `/v1/integrations/${integrationId}`);
const rows = (status: 'reauth_required' | 'active', reason: string | null) =>
  whole.database.write((trx) =>
    trx('integrations').where({ id: integrationId }).update({ status, status_reason: reason }),
  );

test('repairs the same integration when a person who administers the account signs in', async () => {
  await rows('reauth_required', 'authorization_expired');
  const { status, body } = await reauthorize();
  expect(status).toBe(200);
  expect(body).toEqual({
    flow_id: expect.stringMatching(/^flow_/),
    url: expect.stringContaining('/v1/integrations/github/install?ticket='),
    expires_at: expect.any(Number),
  });
  await signIn(body.url, alice);
  expect(await ends(body.flow_id)).toMatchObject({ status: 'completed', integration_id: integrationId });
  expect(await integration()).toMatchObject({ status: 'active', status_reason: null, display_name: 'Shop’s account' });
});

test('changes nothing for a person who does not administer the account', async () => {
  await rows('reauth_required', 'authorization_expired');
  const { body } = await reauthorize();
  await signIn(body.url, mallory);
  expect(await ends(body.flow_id)).toMatchObject({ status: 'rejected', reason: 'ownership_not_proven' });
  expect(await integration()).toMatchObject({ status: 'reauth_required' });
  await rows('active', null);
});

test('installs the App again after it was uninstalled, and continues everything', async () => {
  await github.sendWebhook({ app: app.theirs, event: 'installation', payload: github.uninstall(installation) });
  await expect.poll(async () => (await integration())['status'], { timeout: 10_000 }).toBe('disconnected');
  expect(await mine.ask('GET', `/v1/apps/${appId}`)).toMatchObject({ source_status: 'disconnected' });

  // On another account it would be another connection.
  const wrong = await reauthorize();
  github.signInAs(mallory);
  const elsewhere = github.addInstallation(app.theirs, { account: mallory });
  await whole.database.write((trx) =>
    trx('connect_flows').where({ id: wrong.body.flow_id }).update({ claimed_installation: elsewhere.id }),
  );
  await signIn(wrong.body.url, mallory);
  expect(await ends(wrong.body.flow_id)).toMatchObject({ status: 'rejected', reason: 'account_mismatch' });
  expect(await integration()).toMatchObject({ status: 'disconnected' });

  const { body } = await reauthorize();
  await install(body.url, alice);
  expect(await ends(body.flow_id)).toMatchObject({ status: 'completed', integration_id: integrationId });
  expect(present(alice)?.id).not.toBe(installation.id);
  expect(await integration()).toMatchObject({ status: 'active', display_name: 'Shop’s account' });
  const source = async () => (await mine.ask<View>('GET', `/v1/apps/${appId}`))['source_status'];
  await expect.poll(source, { timeout: 10_000 }).toBe('connected');

  const payload = github.push(repository, { ref: 'refs/heads/main' });
  await github.sendWebhook({ app: app.theirs, event: 'push', payload });
  await expect
    .poll(async () => (await listBuilds(mine)).map(({ status, sha }) => [status, sha]), { timeout: 20_000 })
    .toEqual([['running', payload['after']]]);
}, 60_000);

test('says who must replace the key if GitHub does not accept the App’s key', async () => {
  await rows('reauth_required', 'app_credentials_rejected');
  const { status, body } = await reauthorize();
  expect({ status, ...body }).toMatchObject({ status: 409, code: 'github_app_incomplete' });
  expect(JSON.stringify(body)).toMatch(/Ask the operator to set a new one/);
  await rows('active', null);
});

test('is not available to another organization', async () => {
  expect(await reauthorize(others)).toMatchObject({ status: 404 });
});
