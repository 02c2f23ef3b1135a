import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { octocat } from '../../stand-ins/github/state.ts';
import { openChromium, openPage } from '../support/programs/chromium.ts';
import { type AllInOne, type Scene, startAllInOne, startScene } from '../support/programs/product.ts';

let scene: Scene;
let fairlead: AllInOne;
let browser: Browser;
let projectId: string;

beforeAll(async () => {
  scene = await startScene();
  scene.github.autoWebhooks = true;
  const env = { FAIRLEAD_ALLOWED_HOSTS: scene.github.url, FAIRLEAD_WEBHOOK_MODE: 'push' };
  fairlead = await startAllInOne({ ...scene, env });
  scene.app.setupUrl = `${fairlead.publicUrl}/v1/integrations/github/installed`;
  scene.app.callbackUrls = [`${fairlead.publicUrl}/v1/integrations/github/callback`];
  const [project] = await fairlead.client.ask<{ id: string }[]>('GET', '/v1/projects');
  projectId = project?.id ?? '';
  browser = await openChromium();
});
afterAll(async () => {
  await browser?.close();
  await fairlead?.remove();
  await scene?.github.close();
});

/** Opens a link of ours and confirms it. */
async function open(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.getByRole('button', { name: 'Continue' }).click();
}

type Started = { flow_id: string; create_url: string; install_url: string };
type Flow = { status: string; integration_id: string };

const start = (body: Record<string, unknown>) =>
  fairlead.client.ask<Started>('POST', '/v1/integrations/github/start', { project_id: projectId, ...body });
const backTo = () => `${fairlead.publicUrl}/docs`;
const person = (login: string, id: number) => ({ login, id, type: 'User' }) as const;
const flowOf = (id: string) => fairlead.client.ask<Flow>('GET', `/v1/flows/${id}`);

test.each([
  { javaScript: true, how: 'with' },
  { javaScript: false, how: 'without' },
])('creates, installs and activates an App with four clicks, $how JavaScript', async ({ javaScript }) => {
  const { page, complaints, close } = await openPage(browser, { javaScript });
  const { create_url: url, flow_id: flowId } = await start({ app_name: `Shop ${javaScript}` });

  await open(page, url);
  if (!javaScript) await page.getByRole('button', { name: /Continue to/ }).click();
  await page.getByRole('button', { name: /Create GitHub App/ }).click();
  await page.getByRole('button', { name: 'Install' }).click();
  await page.waitForURL(/\/connect\/flow_/);
  await expect.poll(() => page.getByRole('heading').first().textContent(), { timeout: 15_000 }).toBe('Connected');

  const { status, integration_id: integrationId } = await flowOf(flowId);
  expect(status).toBe('completed');
  expect(await page.getByRole('main').textContent()).toMatch(/octocat is connected\..*Next, set a repository/s);
  const integration = await fairlead.client.ask('GET', `/v1/integrations/${integrationId}`);
  expect(integration).toMatchObject({ status: 'active', auth_mode: 'github_app' });
  expect(complaints).toEqual([]);
  await close();
});

test('installs the operator’s App from the sign-in link with only the session', async () => {
  const { page, complaints, close } = await openPage(browser);
  const link = /(http\S+\/sign-in\?code=\S+)/.exec(fairlead.output())?.[1] ?? '';
  await page.goto(link);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: /Signed in/ }).waitFor();

  const install = `${fairlead.publicUrl}/v1/integrations/github/install?project_id=${projectId}`;
  const open = async () => (await fairlead.client.ask<unknown[]>('GET', '/v1/flows')).length;
  const before = await open();
  await page.goto(install);
  await page.waitForURL(/installations\/new/);
  expect(await open()).toBe(before + 1);
  // A link on a page of another origin starts nothing before the person presses the button.
  await page.evaluate(`location.href = ${JSON.stringify(install)}`);
  await page.getByRole('heading', { name: 'Connect a GitHub account' }).waitFor();
  expect(await open()).toBe(before + 1);
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByRole('button', { name: 'Install' }).first().click();
  await page.waitForURL(/\/connect\/flow_/);
  await expect.poll(() => page.getByRole('heading').first().textContent(), { timeout: 15_000 }).toBe('Connected');
  expect(complaints).toEqual([]);
  await close();
});

test('lets a member request, an owner approve elsewhere, and the member confirm', async () => {
  const { github, app } = scene;
  const organization = { login: 'globex', id: 9001, type: 'Organization' } as const;
  const [member, owner] = [person('mona', 9002), person('otto', 9003)];
  github.addMembership(organization, member, 'member');
  github.addMembership(organization, owner, 'admin');
  github.signInAs(member);
  const { page, complaints, close } = await openPage(browser);
  const { install_url: url, flow_id: flowId } = await start({ app: 'operator' });
  await open(page, url);
  await page.goto(`${page.url()}&target_id=${organization.id}`.replace('/new?', '/new/permissions?'));
  await page.getByRole('button', { name: /Request/ }).click();
  await expect.poll(() => page.getByRole('heading').first().textContent()).toBe('Waiting for an owner');
  expect((await flowOf(flowId)).status).toBe('awaiting_approval');

  const [request] = [...github.state.installationRequests.values()];
  if (!request) throw new Error('Nothing was requested');
  await github.approveRequest(request);
  await expect
    .poll(async () => (await fairlead.client.ask<{ person_step: string }>('GET', `/v1/flows/${flowId}`)).person_step)
    .toBe('confirm');
  // An approved App is not connected yet.
  expect((await flowOf(flowId)).status).toBe('awaiting_approval');
  await page.reload();
  await page.getByRole('button', { name: 'Connect' }).click();
  await expect.poll(() => page.getByRole('heading').first().textContent(), { timeout: 15_000 }).toBe('Connected');
  const { integration_id: id } = await flowOf(flowId);
  const [bound] = await fairlead.client.ask<{ account: unknown }[]>('GET', `/v1/integrations/${id}/installations`);
  expect(bound?.account).toMatchObject({ login: 'globex' });
  expect(await page.getByRole('main').textContent()).toContain('globex is connected.');
  expect(app.slug).toBeTruthy();
  expect(complaints).toEqual([]);
  await close();
});

test('gives nothing to a person who puts another installation into the URL', async () => {
  const { github, app } = scene;
  const victim = github.addInstallation(app, { account: { login: 'initech', id: 9100, type: 'Organization' } });
  victim.createdAt -= 3_600_000;
  github.signInAs(person('mallory', 9101));
  const { page, close } = await openPage(browser);
  const { install_url: url, flow_id: flowId } = await start({ app: 'operator' });
  await open(page, url);
  const state = new URL(page.url()).searchParams.get('state') ?? '';
  const at = `${fairlead.publicUrl}/v1/integrations/github/installed`;
  await page.goto(`${at}?installation_id=${victim.id}&setup_action=install&state=${state}`);
  await expect.poll(() => page.getByRole('heading').first().textContent(), { timeout: 75_000 }).toBe('Not connected');
  expect(await flowOf(flowId)).toMatchObject({ status: 'rejected' });
  // Only the operator's own sync has read anything of it: the names of repositories.
  const minted = github.requests({ path: new RegExp(`/installations/${victim.id}/access_tokens$`) });
  for (const { body } of minted) expect(body).toEqual({ permissions: { metadata: 'read' } });
  const claimed = await fairlead.client.ask<{ installation_id: number; org_id: string | null }[]>(
    'GET',
    '/v1/installations',
  );
  expect(claimed.find(({ installation_id: id }) => id === victim.id)?.org_id ?? null).toBeNull();
  await close();
});

test('rejects another browser in the middle, and lets the first continue', async () => {
  scene.github.signInAs(octocat);
  const [mine, theirs] = [await openPage(browser), await openPage(browser)];
  const { create_url: url, flow_id: flowId } = await start({ app_name: 'Contested' });
  await open(mine.page, url);
  const answer = await theirs.page.goto(url);
  expect(answer?.status()).toBe(400);
  expect(await theirs.page.textContent('main')).toContain('Another browser or another person started the flow');
  expect((await flowOf(flowId)).status).toBe('page_served');
  await mine.page.getByRole('button', { name: /Create GitHub App/ }).click();
  await mine.page.waitForURL(/installations\/new/);
  expect((await flowOf(flowId)).status).toBe('install_pending');
  await Promise.all([mine.close(), theirs.close()]);
});

test('continues after a restart in the middle, and shows the account that owns the App', async () => {
  // A step that was killed starts again only after Temporal's timeouts.
  const patient = { timeout: 75_000 };
  const { page, close } = await openPage(browser);
  const { create_url: url, flow_id: flowId } = await start({ app_name: 'Restarted', redirect_url: backTo() });
  await open(page, url);
  await page.getByRole('button', { name: /Create GitHub App/ }).waitFor();
  await fairlead.kill();
  await fairlead.start();
  await page.getByRole('button', { name: /Create GitHub App/ }).click();
  await page.waitForURL(/installations\/new\/permissions\?target_id=583231/, patient);
  await fairlead.kill();
  await fairlead.start();
  await page.getByRole('button', { name: 'Install' }).click();
  await page.waitForURL(/\/docs/, patient);
  const seen = Object.fromEntries(new URL(page.url()).searchParams);
  expect(seen).toMatchObject({ flow_id: flowId, status: 'completed', integration_id: expect.stringMatching(/^int_/) });
  const made = scene.github.requests({ method: 'POST', path: /conversions$/ });
  expect(new Set(made.map(({ path }) => path)).size).toBe(made.length);
  await close();
}, 180_000);

test('notices a page that violates its policy', async () => {
  const { page, complaints, close } = await openPage(browser);
  await page.goto(`${fairlead.publicUrl}/sign-in?code=${'x'.repeat(30)}`);
  await page.evaluate(
    `document.body.append(Object.assign(document.createElement('script'), { text: 'window.broken = 1' }))`,
  );
  await expect.poll(() => complaints.length).toBeGreaterThan(0);
  await close();
});
