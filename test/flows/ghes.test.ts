import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Account, App, GitHubStandIn } from '../../stand-ins/github/stand-in.ts';
import { publicUrl } from '../support/api.ts';
import { startGitHub } from '../support/github.ts';
import { allBuilds, setUpApp, workflowFile } from '../support/scenes/platform.ts';
import { addOrg, addProject, addToken } from '../support/scenes/tenants.ts';
import { browserAt, startWhole, type Whole } from '../support/scenes/whole.ts';

type Started = { flow_id: string; create_url: string; install_url: string };
type Flow = { status: string; integration_id: string };
type Integration = { id: string; status: string; host_url: string };
type Delivery = { provider_delivery_id: string; status: string };

const path = { start: '/v1/integrations/github/start', import: '/v1/integrations/github/import' };
const alice: Account = { login: 'alice', id: 8_301, type: 'User' };
const soon = { timeout: 30_000, interval: 200 };

/** The path of its Apps, and whether a dispatch returns its run. */
const hosts = [
  { flavour: 'ghes', apps: '/github-apps', tellsRun: false },
  { flavour: 'ghe.com', apps: '/apps', tellsRun: true },
] as const;

describe.each(hosts)('on $flavour', ({ flavour, apps, tellsRun }) => {
  let github: GitHubStandIn;
  let whole: Whole;
  let mine: Whole['admin'];
  let projectId: string;
  let app: App;
  let integrationId: string;

  beforeAll(async () => {
    github = await startGitHub({ flavour });
    github.autoRuns = true;
    github.signInAs(alice);
    whole = await startWhole(github);
    const orgId = await addOrg(whole.database);
    projectId = await addProject(whole.database, orgId);
    mine = whole.as((await addToken(whole.database, { orgId })).secret);
  }, 90_000);
  afterEach(() => {
    expect(github.violations).toEqual([]);
    github.faults.clear();
  });
  afterAll(async () => {
    await whole?.stop();
    await github?.close();
  });

  /** The public URL leads here. */
  const settle = (one: App) => {
    one.hookUrl = one.hookUrl?.replace(publicUrl, whole.url);
  };
  const completes = (id: string) =>
    expect.poll(() => mine.ask<Flow>('GET', `/v1/flows/${id}`), soon).toMatchObject({ status: 'completed' });
  const asked = (pattern: RegExp) => github.ledger.filter((entry) => pattern.test(entry.path));
  /** The host that the sender of a request named. */
  const hostsOf = (pattern: RegExp) => [...new Set(asked(pattern).map(({ headers }) => headers['host']))];
  const [webHost, apiHost] = [() => new URL(github.url).host, () => new URL(github.apiUrl).host];

  test('creates an App from its manifest and installs it at this host’s URLs', async () => {
    const { create_url: url, flow_id: id } = await mine.ask<Started>('POST', path.start, { project_id: projectId });
    const browser = browserAt(whole);
    const ours = await browser.follow(await browser.press(await browser.visit(url), 'Continue'));
    const theirs = await browser.press(ours, /^Continue to/);
    expect(theirs.url).toContain(`${github.url}/settings/apps/new?state=`);
    const installing = await browser.follow(await browser.press(theirs, /Create GitHub App/));
    [app] = [...github.state.apps.values()] as [App];
    expect(installing.url).toContain(`${github.url}${apps}/${app.slug}/installations/new`);
    settle(app);
    github.addOwnRepository(alice, { name: 'shop', workflows: { '.github/workflows/deploy.yml': workflowFile } });
    await browser.follow(await browser.press(installing, 'Install'));
    await completes(id);
    ({ integration_id: integrationId } = await mine.ask<Flow>('GET', `/v1/flows/${id}`));
    expect(await mine.ask<Integration>('GET', `/v1/integrations/${integrationId}`)).toMatchObject({
      status: 'active',
      host_url: github.url,
    });
    // The web host serves the sign-in, the API everything else.
    expect(hostsOf(/^\/login\/oauth\//)).toEqual([webHost()]);
    expect(hostsOf(/^\/(?:app-manifests|app|user|installation|applications)(?:\/|$)/)).toEqual([apiHost()]);
    expect(asked(/\/token$/).map(({ method, status }) => [method, status])).toEqual([['DELETE', 204]]);
  });

  test('imports and installs an App that was created elsewhere', async () => {
    const elsewhere = github.addApp({ owner: alice });
    const { appId, privateKey, webhookSecret, clientSecret } = elsewhere;
    const secrets = { private_key: privateKey, webhook_secret: webhookSecret, client_secret: clientSecret };
    const imported = await mine.ask<{
      integration: Integration;
      differences: { webhook_url: { expected: string } };
      set_on_github: { callback_url: string; setup_url: string };
    }>('POST', path.import, { project_id: projectId, host_url: github.url, app_id: appId, ...secrets });
    expect(imported.integration).toMatchObject({ status: 'registered', host_url: github.url });
    elsewhere.hookUrl = imported.differences.webhook_url.expected;
    elsewhere.callbackUrls = [imported.set_on_github.callback_url];
    elsewhere.setupUrl = imported.set_on_github.setup_url;
    settle(elsewhere);
    const own = { app: 'own', integration_id: imported.integration.id };
    const { install_url: url, flow_id: id } = await mine.ask<Started>('POST', path.start, own);
    const browser = browserAt(whole);
    const installing = await browser.follow(await browser.press(await browser.visit(url), 'Continue'));
    expect(installing.url).toContain(`${github.url}${apps}/${elsewhere.slug}/installations/new`);
    await browser.follow(await browser.press(installing, 'Install'));
    await completes(id);
  });

  test('dispatches a push, finds and follows its run, and reports the result', async () => {
    const repository = [...github.state.repositories.values()].find(({ name }) => name === 'shop');
    if (!repository) throw new Error('no repository');
    const setUp = await setUpApp(mine, { projectId, integrationId, repositoryId: repository.id });
    expect(setUp.pipelineId).toMatch(/^pip_/);
    const push = async () => {
      const payload = github.push(repository, { ref: 'refs/heads/main' });
      await github.sendWebhook({ app, event: 'push', payload });
      return String(payload['after']);
    };
    const sha = await push();
    await expect
      .poll(async () => (await allBuilds(mine)).map((one) => [one.status, one.sha]), soon)
      .toEqual([['succeeded', sha]]);

    const [build] = await allBuilds(mine);
    const [run] = [...github.state.runs.values()];
    expect(build?.run_id).toBe(run?.id);
    const [dispatch, ...others] = asked(/\/dispatches$/);
    expect(others).toEqual([]);
    expect(dispatch).toMatchObject({ status: tellsRun ? 200 : 204 });
    expect(Object.keys(dispatch?.body as object).includes('return_run_details')).toBe(tellsRun);
    expect(new Set(github.ledger.flatMap(({ headers }) => headers['x-github-api-version'] ?? []))).toEqual(
      new Set(['2022-11-28']),
    );
    await expect.poll(() => github.state.statuses.map(({ state }) => state), soon).toContain('success');

    // Without webhooks, only its marker finds the run.
    if (tellsRun) return;
    github.autoRuns = false;
    const next = await push();
    const statusOf = async () => (await allBuilds(mine)).find((one) => one.sha === next)?.status;
    await expect.poll(statusOf, soon).toBe('running');
    expect(asked(/\/actions\/workflows\/deploy\.yml\/runs$/).length).toBeGreaterThan(0);
    expect((await allBuilds(mine)).find((one) => one.sha === next)?.run_id).toBe([...github.state.runs.keys()].at(-1));
    github.autoRuns = true;
  }, 60_000);

  test('reads a missed webhook from the log', async () => {
    const repository = [...github.state.repositories.values()].find(({ name }) => name === 'shop');
    if (!repository) throw new Error('no repository');
    const guid = crypto.randomUUID();
    const payload = github.push(repository, { ref: 'refs/heads/main' });
    const lost = github.sendWebhook({ app, event: 'push', payload, guid, to: 'http://127.0.0.1:9/hook' });
    await lost.catch(() => undefined);
    await mine.ask('POST', `/v1/integrations/${integrationId}/recover?wait=30`);
    const found = async () =>
      (await mine.ask<Delivery[]>('GET', '/v1/deliveries?event=push')).find((one) => one.provider_delivery_id === guid);
    await expect.poll(found, soon).toMatchObject({ status: 'processed' });
    expect(hostsOf(/^\/app\/hook\/deliveries/)).toEqual([apiHost()]);
  }, 60_000);

  test('uninstalls the App there when the integration is deleted', async () => {
    const installed = () => [...github.state.installations.values()].filter(({ appId }) => appId === app.appId);
    expect(installed()).toHaveLength(1);
    const { operation } = await mine.ask<{ operation: { id: string } }>('DELETE', `/v1/integrations/${integrationId}`);
    await expect
      .poll(() => mine.ask('GET', `/v1/operations/${operation.id}`), soon)
      .toMatchObject({ operation: { status: 'succeeded', outcome: 'revoked' } });
    expect(installed()).toEqual([]);
    const uninstalled = github.requests({ method: 'DELETE', path: /^\/app\/installations\/\d+$/ });
    expect(uninstalled.map(({ status, headers }) => [status, headers['host']])).toEqual([[204, apiHost()]]);
    expect((await mine.send('GET', `/v1/integrations/${integrationId}`)).status).toBe(404);
  }, 60_000);
});
