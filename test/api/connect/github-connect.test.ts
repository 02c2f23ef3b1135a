import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { allConnectFlows } from '../../../db/connect/connect-flows.ts';
import { githubAppsIn } from '../../../db/github/github-apps.ts';
import { githubAppSecrets } from '../../../db/secrets/github-app-secrets.ts';
import { corsOrigin, publicUrl, startApi, type TestApi } from '../../support/api.ts';
import { createBrowser, type Shown } from '../../support/browser.ts';
import { keyring } from '../../support/hooks.ts';
import { addEverything, addOrg, addProject, addToken, addUser } from '../../support/scenes/tenants.ts';

type Started = { flow_id: string; create_url: string; install_url: string; expires_at: number };
type Flow = { id: string; status: string; person_step: string; integration_id: string | null; installation_id: number };
type Client = ReturnType<TestApi['as']>;

let api: TestApi;
let orgId: string;
let projectId: string;
let client: Client;
let stranger: Client;
let githubAppId: string;

beforeAll(async () => {
  api = await startApi();
  const { database } = api;
  orgId = await addOrg(database);
  projectId = await addProject(database, orgId);
  client = api.as((await addToken(database, { orgId, projectId })).secret);
  stranger = api.as((await addToken(database, { orgId: await addOrg(database, 'Other') })).secret);
  githubAppId = await database.write(async (trx) => {
    const hostUrl = 'https://github.com';
    const names = { slug: 'fairlead', name: 'Fairlead', clientId: 'Iv1.operator' };
    const app = await githubAppsIn(trx).upsert({
      orgId: null,
      hostUrl,
      apiUrl: 'https://api.github.com',
      appId: 7,
      ...names,
    });
    await githubAppSecrets(trx, keyring).put(app.id, null, 'client_secret', 'the client secret of the operator');
    return app.id;
  });
});
afterAll(() => api?.stop());

let browser: ReturnType<typeof createBrowser>;
beforeEach(() => {
  browser = createBrowser();
});

const start = (body: Record<string, unknown> = {}) =>
  client.ask<Started>('POST', '/v1/integrations/github/start', { project_id: projectId, ...body });
/** Links in responses begin with the public URL. */
const here = (url: string) => url.replace(publicUrl, api.url);
const visit = (url: string, by = browser) => by.visit(here(url));
/** Opens a Fairlead link and presses the button of the confirmation page. */
async function open(url: string, by = browser): Promise<Shown> {
  const shown = await visit(url, by);
  return shown.text.includes('>Continue<') ? by.press(shown, 'Continue') : shown;
}
const flowOf = (id: string) => client.ask<Flow>('GET', `/v1/flows/${id}`);
const flows = () => allConnectFlows(api.database.reader);
const land = (query: Record<string, string>, by = browser, at = 'callback') =>
  visit(`/v1/integrations/github/${at}?${new URLSearchParams(query)}`.replace(/^/, publicUrl), by);
const stateIn = (url: string | undefined) => new URL(url ?? '').searchParams.get('state') ?? '';
const actionOf = (shown: Shown) =>
  /<form method="post" action="([^"]+)"/.exec(shown.text)?.[1]?.replaceAll('&#38;', '&') ?? '';
const commandsOf = (flowId: string) =>
  api.database
    .reader('commands')
    .where({ workflow_id: `connect-github/${flowId}` })
    .pluck('signal');

/** Starts a flow with the operator's App and continues to GitHub's own page. */
async function toInstall(body: Record<string, unknown> = {}, by = browser) {
  const { flow_id: flowId, install_url: url } = await start({ app: 'operator', ...body });
  const shown = await open(url, by);
  return { flowId, shown, state: stateIn(shown.location) };
}

test('rejects a code that arrives at another App’s callback, with any state', async () => {
  const { flow_id: flowId, create_url: url } = await start();
  const state = stateIn(actionOf(await open(url)));
  const before = await flows().find(flowId);
  const shared = await land({ code: 'a-code-of-another-host', state });
  expect(shared.status).toBe(400);
  expect(browser.read(shared)).toContain('another GitHub App');
  const other = await land({ code: 'a-code-of-another-host', state }, browser, `callback/${githubAppId}`);
  expect(other.status).toBe(400);
  expect(await flows().find(flowId)).toEqual(before);

  const { flowId: theirs, state: install } = await toInstall();
  const landed = await land({ installation_id: '4240', setup_action: 'install', state: install }, browser, 'installed');
  const crossed = await land({ code: 'c0de', state: stateIn(landed.location) }, browser, `callback/${githubAppId}`);
  expect(crossed.status).toBe(400);
  expect((await flows().find(theirs))?.sealedSignInCode).toBeNull();
});

test('shows signed-in people the target project, and rejects a person of another organization', async () => {
  const { create_url: url } = await start();
  const stranger = await addUser(api.database, await addOrg(api.database, 'Elsewhere'), 'owner');
  const as = (session: string) => fetch(here(url), { headers: { cookie: `__Host-fairlead_session=${session}` } });
  const asked = await (await as(stranger.session)).text();
  expect(asked).toContain('the project Shop of the organization Acme');
  const begun = await fetch(`${api.url}/connect/begin`, {
    method: 'POST',
    headers: { cookie: `__Host-fairlead_session=${stranger.session}`, origin: api.url },
    body: new URLSearchParams({ state: stateIn(url) }),
  });
  expect(begun.status).toBe(400);
  const colleague = await addUser(api.database, orgId, 'viewer');
  expect(await (await as(colleague.session)).text()).toContain('name="manifest"');
});

test('asks an operator for confirmation in an organization of which they are no member', async () => {
  const { create_url: url } = await start();
  const { id, session } = await addUser(api.database, await addOrg(api.database, 'Elsewhere'), 'owner');
  await api.database.write((trx) => trx('users').where({ id }).update({ ops: true }));
  const shown = await (await fetch(here(url), { headers: { cookie: `__Host-fairlead_session=${session}` } })).text();
  expect(shown).toContain('This connects a GitHub account to');
  expect(shown).not.toContain('name="manifest"');
});

test('rejects another API URL for github.com', async () => {
  for (const app_url of [
    'https://evil.example.com',
    'https://api.evil.example.com/api/v3',
    'https://ghe.example.com',
  ]) {
    const body = { project_id: projectId, host_url: 'https://github.com', api_url: app_url };
    const answer = await client.send('POST', '/v1/integrations/github/start', body);
    expect(answer, app_url).toMatchObject({ status: 422, body: { code: 'host_not_allowed' } });
  }
  const server = { host_url: 'https://ghe.acme.dev', api_url: 'https://ghe.acme.dev/api/v3' };
  expect(await start(server)).toMatchObject({ create_url: expect.any(String) });
});

test('does not store the state under an Idempotency-Key, and repeats only the rest of the response', async () => {
  const send = () =>
    client.send<Started>(
      'POST',
      '/v1/integrations/github/start',
      { project_id: projectId },
      { 'idempotency-key': 'once' },
    );
  const [first, again] = [await send(), await send()];
  expect(again).toMatchObject({ status: 200, body: { flow_id: first.body.flow_id, code: 'secret_not_repeated' } });
  expect(again.body.create_url).toBeUndefined();
  const kept = JSON.stringify(await api.database.reader('idempotency_keys'));
  expect(kept).toContain(first.body.flow_id);
  expect(kept).not.toContain(stateIn(first.body.create_url));
});

test('returns one link for a new App, and starts a workflow that waits', async () => {
  const started = await start({ owner: 'acme', app_name: 'Acme deploys' });
  expect(started).toMatchObject({ flow_id: expect.stringMatching(/^flow_/), expires_at: expect.any(Number) });
  expect(started.create_url).toMatch(`${publicUrl}/v1/integrations/github/create?state=`);
  expect(await commandsOf(started.flow_id)).toEqual(['changed']);
  // The state itself is not stored.
  const state = stateIn(started.create_url);
  expect(JSON.stringify(await api.database.reader('flow_states'))).not.toContain(state);
});

test('posts a manifest with minimal permissions, to GitHub only', async () => {
  const { create_url: url } = await start({ owner: 'acme', app_name: 'Acme deploys' });
  const shown = await open(url);
  expect(shown.status).toBe(200);
  expect(actionOf(shown)).toMatch(/^https:\/\/github\.com\/organizations\/acme\/settings\/apps\/new\?state=/);
  expect(shown.headers.get('content-security-policy')).toContain("form-action 'self' https://github.com;");
  const manifest = JSON.parse(/name="manifest" value="([^"]+)"/.exec(shown.text)?.[1]?.replaceAll('&#34;', '"') ?? '');
  expect(manifest).toEqual({
    name: 'Acme deploys',
    url: publicUrl,
    hook_attributes: { url: expect.stringMatching(`^${publicUrl}/v1/webhooks/github/gha_`), active: true },
    redirect_url: expect.stringMatching(`^${publicUrl}/v1/integrations/github/callback/gha_\\w+$`),
    callback_urls: [manifest.redirect_url],
    setup_url: `${publicUrl}/v1/integrations/github/installed`,
    setup_on_update: true,
    request_oauth_on_install: false,
    public: false,
    default_permissions: {
      contents: 'read',
      metadata: 'read',
      pull_requests: 'read',
      statuses: 'write',
      checks: 'write',
      deployments: 'write',
      actions: 'write',
      members: 'read',
    },
    default_events: expect.arrayContaining(['push', 'pull_request', 'workflow_run']),
  });
  const personal = await open((await start({ app_name: 'Mine' })).create_url);
  expect(actionOf(personal)).toMatch(/^https:\/\/github\.com\/settings\/apps\/new\?state=/);
});

test('stores the code once and sealed, accepts the same redirect again, and rejects another code', async () => {
  const { create_url: url, flow_id: flowId } = await start();
  const state = stateIn(actionOf(await open(url)));
  const at = `callback/${(await flows().find(flowId))?.githubAppId}`;
  const code = 'a-code-that-must-not-rest-in-plain-text';
  const first = land({ code, state }, browser, at);
  // At the same time, the platform's own page sends the same code.
  const complete = client.send<Flow>('POST', '/v1/integrations/github/complete', { code, state });
  const [shown, completed] = await Promise.all([first, complete]);
  expect(shown).toMatchObject({ status: 303, location: `${publicUrl}/connect/${flowId}` });
  expect(completed).toMatchObject({ status: 200, body: { id: flowId, status: 'code_received' } });

  const flow = await flows().find(flowId);
  expect(flow).toMatchObject({ status: 'code_received', sealedManifestCode: expect.any(String) });
  expect(flow?.sealedManifestCode).not.toContain(code);
  expect((await commandsOf(flowId)).length).toBe(2);

  expect((await land({ code, state }, browser, at)).status).toBe(303);
  const other = await land({ code: 'another-code', state }, browser, at);
  expect(other.status).toBe(400);
  expect(await flows().find(flowId)).toEqual(flow);
  const again = await client.send('POST', '/v1/integrations/github/complete', { code: 'another-code', state });
  expect(again).toMatchObject({ status: 400, body: { code: 'flow_state_refused', reason: 'state_used' } });
});

test.each([41, '41'])(
  'a platform’s own page can send the parameters of the address as they are: %j',
  async (number) => {
    const { flowId, state } = await toInstall();
    const body = { state, installation_id: number, setup_action: 'install', code: 'c0de' };
    const answer = await client.send<Flow>('POST', '/v1/integrations/github/complete', body);
    expect(answer).toMatchObject({ status: 200, body: { id: flowId, installation_id: 41 } });
    const wrong = await client.send('POST', '/v1/integrations/github/complete', { ...body, installation_id: '41x' });
    expect(wrong).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
  },
);

test('rejects a missing session and a missing, foreign, expired or misused state, and changes nothing', async () => {
  const { flowId, state } = await toInstall();
  const { create_url: createUrl, flow_id: createFlow } = await start();
  const createState = stateIn(createUrl);
  const { flowId: late, state: lateState } = await toInstall();
  await api.database.write((trx) => trx('flow_states').where({ flow_id: late }).update({ expires_at: 1 }));
  const before = await Promise.all([flowId, createFlow, late].map((id) => flows().find(id)));

  const answer = { installation_id: '41', setup_action: 'install' };
  const elsewhere = createBrowser();
  expect((await land({ ...answer, state }, elsewhere)).text).toContain('Another browser');
  expect((await land({ ...answer, state: 'x'.repeat(43) })).status).toBe(400);
  expect((await land({ code: 'c0de', state: '' })).status).toBe(400);
  expect((await land({ code: 'c0de' })).status).toBe(400);
  expect((await land({ ...answer, state: lateState })).text).toContain('has expired');
  // The state of Fairlead's own first page, sent as if GitHub had returned it.
  expect((await land({ code: 'c0de', state: createState })).status).toBe(400);
  // An installation's state with only a code, as in the redirect of a manifest or a sign-in.
  expect((await land({ code: 'c0de', state })).text).toContain('is incomplete');
  const theirs = await stranger.send('POST', '/v1/integrations/github/complete', { state, installation_id: 41 });
  expect(theirs).toMatchObject({ status: 400, body: { reason: 'state_unknown' } });
  // A colleague of the same organization did not start this flow.
  const colleague = api.as((await addToken(api.database, { orgId })).secret);
  const mate = await colleague.send('POST', '/v1/integrations/github/complete', { state, installation_id: 41 });
  expect(mate).toMatchObject({ status: 400, body: { reason: 'state_unknown' } });

  expect(await Promise.all([flowId, createFlow, late].map((id) => flows().find(id)))).toEqual(before);
  expect(await api.database.reader('installations')).toEqual([]);
  expect(await api.database.reader('bindings')).toEqual([]);
  // The state is still valid for its own purpose.
  expect((await land({ ...answer, state })).status).toBe(303);
});

test('treats an installation ID from the browser as a claim, and sends the person to sign in with PKCE', async () => {
  const { flowId, shown, state } = await toInstall();
  expect(shown.status).toBe(303);
  expect(shown.location).toMatch(/^https:\/\/github\.com\/apps\/fairlead\/installations\/new\?state=/);
  expect(shown.headers.getSetCookie().join()).toMatch(
    /^__Host-fairlead_flow_\w+=.*HttpOnly; SameSite=Lax; Max-Age=\d+; Secure/,
  );

  const landed = await land({ installation_id: '4242', setup_action: 'install', state }, browser, 'installed');
  const to = new URL(landed.location ?? '');
  expect(to.origin + to.pathname).toBe('https://github.com/login/oauth/authorize');
  expect(Object.fromEntries(to.searchParams)).toMatchObject({
    client_id: 'Iv1.operator',
    redirect_uri: `${publicUrl}/v1/integrations/github/callback`,
    code_challenge_method: 'S256',
    code_challenge: expect.stringMatching(/^[\w-]{43}$/),
  });
  expect(await flowOf(flowId)).toMatchObject({
    status: 'install_pending',
    installation_id: 4242,
    person_step: 'sign_in',
  });
  const integrationId = (await flowOf(flowId)).integration_id ?? '';
  expect(await client.ask('GET', `/v1/integrations/${integrationId}`)).toMatchObject({ status: 'registered' });
  expect(await api.database.reader('installations')).toEqual([]);

  const signedIn = land({ code: 'the-code-of-a-sign-in', state: stateIn(landed.location) });
  await expect.poll(async () => (await flows().find(flowId))?.sealedSignInCode).toEqual(expect.any(String));
  expect((await signedIn).location).toBe(`${publicUrl}/connect/${flowId}`);
  expect(JSON.stringify(await api.database.reader('connect_flows'))).not.toContain('the-code-of-a-sign-in');
});

test('shows a person who denies the sign-in a page, and lets them try again', async () => {
  const { flowId, state } = await toInstall();
  const landed = await land({ installation_id: '4244', setup_action: 'install', state }, browser, 'installed');
  const denied = await land({ error: 'access_denied', state: stateIn(landed.location) });
  expect(denied.location).toBe(`${publicUrl}/connect/${flowId}`);
  const page = await visit(`${publicUrl}/connect/${flowId}`);
  expect(browser.read(page)).toContain('did not allow GitHub to share your identity');
  const again = await visit(`${publicUrl}/connect/${flowId}/continue`);
  expect(again.location).toContain('/login/oauth/authorize');
});

test('ignores the code if GitHub signs people in during the installation', async () => {
  const { flowId, state } = await toInstall();
  const landed = await land({ code: 'came-along', installation_id: '4243', setup_action: 'install', state });
  expect(landed.location).toMatch(/\/login\/oauth\/authorize\?.*code_challenge=/);
  expect(await flows().find(flowId)).toMatchObject({ claimedInstallation: 4243, sealedSignInCode: null });
});

test('waits when a member requests an owner’s approval, and binds only after the initiator confirms', async () => {
  const { flowId, state } = await toInstall();
  const landed = await land({ setup_action: 'request', state }, browser, 'installed');
  expect(landed.location).toContain('/login/oauth/authorize');
  const flow = await flowOf(flowId);
  expect(flow).toMatchObject({ status: 'awaiting_approval', person_step: 'sign_in' });
  expect(await client.ask('GET', `/v1/integrations/${flow.integration_id}`)).toMatchObject({
    status: 'awaiting_approval',
  });
  expect((await client.send('POST', `/v1/flows/${flowId}/confirm`)).status).toBe(409);

  // The worker finds the approved installation.
  await api.database.write((trx) => allConnectFlows(trx).note(flowId, { githubUserId: 1, approvedInstallation: 77 }));
  const page = await visit(`${publicUrl}/connect/${flowId}`);
  expect(browser.read(page)).toContain('An owner has approved');
  const colleague = api.as((await addToken(api.database, { orgId })).secret);
  expect((await colleague.send('POST', `/v1/flows/${flowId}/confirm`)).status).toBe(403);
  expect((await stranger.send('POST', `/v1/flows/${flowId}/confirm`)).status).toBe(404);
  expect((await client.send('POST', `/v1/flows/${flowId}/check`)).status).toBe(202);
  expect((await flows().find(flowId))?.confirmedAt).toBeNull();
  expect((await client.send('POST', `/v1/flows/${flowId}/confirm`)).status).toBe(200);
  expect((await flows().find(flowId))?.confirmedAt).toEqual(expect.any(Number));
});

test('lets the person choose the account, and confirm only the installation that the page named', async () => {
  const { flowId, state } = await toInstall();
  await land({ setup_action: 'request', state }, browser, 'installed');
  const [zeta, theta] = [
    { id: 71, login: 'zeta' },
    { id: 72, login: 'theta' },
  ];
  // The worker finds requests for two accounts.
  const note = (what: Parameters<ReturnType<typeof allConnectFlows>['note']>[1]) =>
    api.database.write((trx) => allConnectFlows(trx).note(flowId, what));
  await note({ githubUserId: 1, accountChoices: [zeta, theta] });
  expect(await flowOf(flowId)).toMatchObject({
    person_step: 'choose_account',
    requested_account: null,
    account_choices: [zeta, theta],
  });
  const url = `${publicUrl}/connect/${flowId}`;
  const asked = await visit(url);
  expect(browser.read(asked)).toContain('Which account did you ask?');
  const at = here(`${url}/account`);
  expect((await browser.visit(at, { form: { account: '71' }, origin: 'https://evil.example' })).status).toBe(403);
  expect((await createBrowser().visit(at, { form: { account: '71' } })).status).toBe(403);
  await browser.visit(at, { form: { account: '73' } });
  expect(await flows().find(flowId)).toMatchObject({ requestedAccount: null });
  await browser.press(asked, 'zeta');
  expect(await flowOf(flowId)).toMatchObject({ requested_account: zeta, account_choices: [], person_step: 'none' });
  expect((await commandsOf(flowId)).at(-1)).toBe('installed');
  // The choice is final.
  await browser.press(asked, 'theta');
  expect(await flows().find(flowId)).toMatchObject({ requestedAccount: zeta.id });
  expect(browser.read(await visit(url))).toContain('An owner of zeta must approve');

  await note({ detail: 'GitHub no longer lists your request for @zeta.' });
  const gone = browser.read(await visit(url));
  expect(gone).toContain('Request not found');
  expect(gone).not.toContain('must approve');

  await note({ approvedInstallation: 77, detail: null });
  const shown = await visit(url);
  expect(browser.read(shown)).toContain('is now installed on zeta');
  // In another tab, the person asks again, and another installation is approved.
  await note({ approvedInstallation: 78 });
  await browser.press(shown, 'Connect');
  expect((await flows().find(flowId))?.confirmedAt).toBeNull();
  await browser.press(await visit(url), 'Connect');
  expect((await flows().find(flowId))?.confirmedAt).toEqual(expect.any(Number));
  const actions = await api.database.reader('audit_events').where({ target: flowId }).orderBy('id').pluck('action');
  expect(actions).toEqual(['flow.started', 'flow.landed', 'flow.account_chosen', 'flow.confirmed']);
});

test.each([
  ['installed', 'install', 'Thank you'],
  ['installed', 'update', 'saved the change'],
  ['callback', 'install', 'Thank you'],
])('shows a page and changes nothing for a redirect to %s without a state (%s)', async (at, setupAction, text) => {
  const before = await api.database.reader('connect_flows').orderBy('id');
  const shown = await land({ installation_id: '5', setup_action: setupAction }, browser, at);
  expect(shown.status).toBe(200);
  expect(browser.read(shown)).toContain(text);
  expect(await api.database.reader('connect_flows').orderBy('id')).toEqual(before);
});

test('accepts a ticket once, and again only in the browser that used it', async () => {
  const { install_url: url } = await start({ app: 'operator' });
  // A `HEAD` or `GET` request, for example by a link scanner, does not use the ticket.
  expect((await fetch(here(url), { method: 'HEAD' })).status).toBe(200);
  const asked = await visit(url, createBrowser());
  expect(browser.read(asked)).toContain('the project Shop of the organization Acme');
  expect((await open(url)).status).toBe(303);
  expect((await visit(url)).status).toBe(302);
  expect((await visit(url, createBrowser())).status).toBe(400);
  const { install_url: old } = await start({ app: 'operator' });
  await api.database.write((trx) =>
    trx('flow_states').where({ purpose: 'ticket', used_at: null }).update({ expires_at: 1 }),
  );
  expect((await visit(old)).text).toContain('has expired');
});

test('redirects a session to GitHub, returns a link to a Bearer token, and rejects other callers', async () => {
  const path = `/v1/integrations/github/install?project_id=${projectId}`;
  expect((await fetch(api.url + path, { redirect: 'manual' })).status).toBe(401);
  const admin = await addUser(api.database, orgId, 'admin');
  const cookie = `__Host-fairlead_session=${admin.session}`;
  const shown = await fetch(api.url + path, { redirect: 'manual', headers: { cookie, referer: `${api.url}/docs` } });
  expect(shown.status).toBe(302);
  expect(shown.headers.get('location')).toMatch(/^https:\/\/github\.com\/apps\/fairlead\/installations\/new\?state=/);
  const viewer = await addUser(api.database, orgId, 'viewer');
  const refused = await fetch(api.url + path, { headers: { cookie: `__Host-fairlead_session=${viewer.session}` } });
  expect(refused.status).toBe(403);
  const answer = await client.send<{ url: string }>('GET', path);
  expect(answer).toMatchObject({ status: 200, body: { url: expect.stringContaining('/github/install?ticket=') } });
  expect((await stranger.send('GET', path)).status).toBe(404);

  // Another person's session cannot continue this person's flow.
  const flowId = /fairlead_(flow_\w+)=/.exec(shown.headers.getSetCookie().join())?.[1] ?? '';
  const flowCookie = /__Host-fairlead_flow_\w+=[^;]+/.exec(shown.headers.getSetCookie().join())?.[0] ?? '';
  const page = `${api.url}/connect/${flowId}`;
  expect((await fetch(page, { headers: { cookie: `${flowCookie}; ${cookie}` } })).status).toBe(200);
  const mixed = `${flowCookie}; __Host-fairlead_session=${viewer.session}`;
  expect((await fetch(page, { headers: { cookie: mixed } })).status).toBe(403);
});

test.each([
  '//evil.example',
  '/\\evil.example',
  'https:evil.example',
  'https://evil.example/',
  '%2f%2fevil.example',
  `${corsOrigin}.evil.example`,
  `${corsOrigin}\r\nset-cookie: a=b`,
])('rejects the redirect_url %j', async (redirectUrl) => {
  const body = { project_id: projectId, redirect_url: redirectUrl };
  expect((await client.send('POST', '/v1/integrations/github/start', body)).status).toBe(400);
});

test('redirects the browser to the platform with the result, and ignores the Host header', async () => {
  const { flowId } = await toInstall({ redirect_url: `${corsOrigin}/done?step=2` });
  await api.database.write((trx) => allConnectFlows(trx).move(flowId, 'completed'));
  const cookies = await visit(`${publicUrl}/connect/${flowId}/continue`);
  const back = new URL(cookies.location ?? '');
  expect(back.origin).toBe(corsOrigin);
  expect(Object.fromEntries(back.searchParams)).toEqual({ step: '2', flow_id: flowId, status: 'completed' });

  const started = await fetch(`${api.url}/v1/integrations/github/start`, {
    method: 'POST',
    headers: { ...(await bearer()), 'content-type': 'application/json', 'x-forwarded-host': 'evil.example' },
    body: JSON.stringify({ project_id: projectId }),
  });
  expect(((await started.json()) as Started).create_url.startsWith(`${publicUrl}/`)).toBe(true);
});

test('returns 403 to a person whose ownership of the account is not proven', async () => {
  const { flowId } = await toInstall({ redirect_url: `${corsOrigin}/done` });
  const flow = allConnectFlows(api.database.reader);
  await api.database.write((trx) => allConnectFlows(trx).move(flowId, 'rejected', { reason: 'ownership_not_proven' }));
  expect((await flow.find(flowId))?.status).toBe('rejected');
  const shown = await visit(`${publicUrl}/connect/${flowId}/continue`);
  expect(shown.status).toBe(403);
  expect(browser.read(shown)).toContain('did not confirm that you administer');
});

test('cancels a flow by the button of its own page, and rejects other origins', async () => {
  const { flowId } = await toInstall();
  const page = await visit(`${publicUrl}/connect/${flowId}`);
  const url = here(`${publicUrl}/connect/${flowId}/cancel`);
  expect((await browser.visit(url, { form: {}, origin: 'https://evil.example' })).status).toBe(403);
  // A request without an origin.
  expect((await fetch(url, { method: 'POST' })).status).toBe(403);
  expect((await flowOf(flowId)).status).toBe('install_pending');
  expect((await browser.press(page, 'Cancel')).location).toBe(`${publicUrl}/connect/${flowId}`);
  expect((await flowOf(flowId)).status).toBe('canceled');
  expect((await client.send('DELETE', `/v1/flows/${flowId}`)).status).toBe(409);
});

test('rejects an incomplete or forbidden request and names the field', async () => {
  const post = (body: Record<string, unknown>) => client.send('POST', '/v1/integrations/github/start', body);
  expect(await post({ project_id: projectId, app: 'own' })).toMatchObject({
    status: 400,
    body: { errors: [{ path: 'body.integration_id' }] },
  });
  expect((await post({ project_id: projectId, installation_id: 4 })).status).toBe(400);
  expect((await post({ project_id: projectId, owner: 'a/../b' })).status).toBe(400);
  expect((await post({ project_id: projectId, app_name: 'x'.repeat(35) })).status).toBe(400);
  expect(await post({ project_id: projectId, host_url: 'https://169.254.169.254' })).toMatchObject({
    status: 422,
    body: { code: 'host_not_allowed' },
  });
  expect(
    await post({ project_id: projectId, host_url: 'https://github.com', api_url: 'http://127.0.0.1/' }),
  ).toMatchObject({ status: 422 });
  // A project's token cannot connect for the whole organization.
  expect((await post({ org_id: orgId })).status).toBe(404);
  expect((await stranger.send('POST', '/v1/integrations/github/start', { project_id: projectId })).status).toBe(404);
  // The project is optional if the token can access only one.
  expect((await post({})).status).toBe(200);
  expect(githubAppId).toMatch(/^gha_/);
});

test('limits the open flows of an organization, and a canceled flow makes room for another', async () => {
  const other = await addOrg(api.database, 'Busy');
  const project = await addProject(api.database, other);
  const busy = api.as((await addToken(api.database, { orgId: other, projectId: project })).secret);
  const begin = () => busy.send<Started>('POST', '/v1/integrations/github/start', { project_id: project });
  const started = await Promise.all(Array.from({ length: 50 }, begin));
  expect(started.every(({ status }) => status === 200)).toBe(true);
  expect(await begin()).toMatchObject({ status: 429, body: { code: 'too_many_requests' } });
  expect((await busy.send('DELETE', `/v1/flows/${started[0]?.body.flow_id}`)).status).toBe(200);
  expect((await begin()).status).toBe(200);
  // Other organizations are not affected.
  expect((await start()).flow_id).toMatch(/^flow_/);
});

async function bearer(): Promise<Record<string, string>> {
  return { authorization: `Bearer ${(await addToken(api.database, { orgId, projectId })).secret}` };
}

test('requires `org:admin` to reauthorize an integration of the organization', async () => {
  const { database } = api;
  const project = await addProject(database, orgId, 'Again');
  const { integrationId, githubAppId: at } = await addEverything(database, { orgId, projectId: project });
  await database.write(async (trx) => {
    await trx('integrations').where({ id: integrationId }).update({ project_id: null, owner_id: orgId });
    await trx('github_apps').where({ id: at }).update({ client_id: 'Iv1.of-it' });
    const secrets = githubAppSecrets(trx, keyring);
    await secrets.put(at, null, 'client_secret', 'a client secret of the operator');
    await secrets.put(at, null, 'private_key', 'a private key of the operator');
  });
  const ask = async (scopes: ('integrations:write' | 'org:admin')[]) => {
    const { secret } = await addToken(database, { orgId }, scopes);
    return api.as(secret).send<{ flow_id: string }>('POST', `/v1/integrations/${integrationId}/reauthorize`, {});
  };
  expect(await ask(['integrations:write'])).toMatchObject({ status: 403, body: { code: 'missing_scope' } });
  const allowed = await ask(['integrations:write', 'org:admin']);
  expect(allowed.status).toBe(200);
  expect(await flows().find(allowed.body.flow_id)).toMatchObject({ reauthorizes: true });
});
