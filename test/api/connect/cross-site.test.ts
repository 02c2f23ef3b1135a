import { request } from 'undici';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { allConnectFlows } from '../../../db/connect/connect-flows.ts';
import { githubAppsIn } from '../../../db/github/github-apps.ts';
import { createSignInCode } from '../../../db/people/bootstrap.ts';
import { githubAppSecrets } from '../../../db/secrets/github-app-secrets.ts';
import { publicUrl, startApi, type TestApi } from '../../support/api.ts';
import { createBrowser } from '../../support/browser.ts';
import { keyring } from '../../support/hooks.ts';
import { addOrg, addProject, addToken, addUser } from '../../support/scenes/tenants.ts';

type Headers = Record<string, string>;

let api: TestApi;
let orgId: string;
let projectId: string;
let cookie: string;
let userId: string;

beforeAll(async () => {
  api = await startApi();
  await api.database.write(async (trx) => {
    const app = await githubAppsIn(trx).upsert({
      orgId: null,
      hostUrl: 'https://github.com',
      apiUrl: 'https://api.github.com',
      appId: 7,
      slug: 'fairlead',
      name: 'Fairlead',
      clientId: 'Iv1.operator',
    });
    await githubAppSecrets(trx, keyring).put(app.id, null, 'client_secret', 'the client secret of the operator');
  });
});
afterAll(() => api?.stop());

beforeEach(async () => {
  orgId = await addOrg(api.database, 'Acme <&>');
  projectId = await addProject(api.database, orgId);
  const { id, session } = await addUser(api.database, orgId, 'admin');
  userId = id;
  cookie = `__Host-fairlead_session=${session}`;
});

/** Sends exactly these headers. `fetch` would set its own `Sec-Fetch-Mode`. */
async function send(path: string, headers: Headers, form?: Headers) {
  const {
    statusCode,
    headers: answer,
    body,
  } = await request(api.url + path, {
    method: form ? 'POST' : 'GET',
    headers: {
      accept: 'text/html',
      ...headers,
      ...(form && { 'content-type': 'application/x-www-form-urlencoded' }),
    },
    ...(form && { body: new URLSearchParams(form).toString() }),
  });
  return {
    status: statusCode,
    location: String(answer['location'] ?? ''),
    cookies: answer['set-cookie'],
    text: await body.text(),
  };
}

const navigates = (site: string, more: Headers = {}): Headers => ({
  'sec-fetch-site': site,
  'sec-fetch-mode': 'navigate',
  'sec-fetch-dest': 'document',
  ...more,
});
const flowsOf = () => api.database.reader('connect_flows').where({ org_id: orgId });
const installPath = '/v1/integrations/github/install';
const install = (headers: Headers) =>
  send(`${installPath}?project_id=${projectId}&owner_id=42`, { cookie, ...headers });
const hidden = (text: string, name: string) => new RegExp(`name="${name}" value="([^"]+)"`).exec(text)?.[1] ?? '';

describe('a session that opens the install address without a ticket', () => {
  test.each<[string, () => Headers]>([
    ['a page of another site', () => navigates('cross-site')],
    ['a page of a sibling host', () => navigates('same-site', { 'sec-fetch-user': '?1' })],
    ['a frame', () => navigates('same-origin', { 'sec-fetch-dest': 'iframe' })],
    ['an image', () => navigates('cross-site', { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' })],
    ['a script', () => navigates('same-origin', { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' })],
    ['a page that the browser loads in advance', () => navigates('none', { 'sec-purpose': 'prefetch;prerender' })],
    ['an old browser on another site', () => ({ referer: 'https://evil.example/' })],
    ['an old browser that names only its origin', () => ({ origin: 'https://evil.example' })],
    ['a site whose name begins with this one', () => ({ referer: `${api.url}.evil.example/` })],
    ['a browser that names no page', () => ({})],
  ])('sees a page and starts nothing if it comes from %s', async (_, headers) => {
    const shown = await install(headers());
    expect(shown).toMatchObject({ status: 200, location: '', cookies: undefined });
    expect(shown.text).toContain('of the organization Acme &#60;&#38;&#62;');
    expect(shown.text).toContain('<strong>github.com</strong>');
    expect(await flowsOf()).toEqual([]);
  });

  test.each<[string, () => Headers]>([
    ['a page of Fairlead', () => navigates('same-origin')],
    ['the address bar', () => navigates('none')],
    ['a page of Fairlead in an old browser', () => ({ referer: `${api.url}/docs` })],
  ])('continues to GitHub if it comes from %s', async (_, headers) => {
    const shown = await install(headers());
    expect(shown.status).toBe(302);
    expect(shown.location).toMatch(/^https:\/\/github\.com\/apps\/fairlead\/installations\/new/);
    expect(await flowsOf()).toMatchObject([{ created_by: `user:${userId}`, account_id: 42 }]);
  });

  test('continues with the button of that page, in the same browser', async () => {
    const browser = createBrowser();
    const code = await createSignInCode(api.database, userId);
    await browser.press(await browser.visit(`${api.url}/sign-in?code=${code}`), 'Sign in');
    const shown = await browser.visit(`${api.url}${installPath}?project_id=${projectId}&owner_id=42`);
    expect(browser.read(shown)).toContain('Connect a GitHub account');
    expect(shown.headers.get('content-security-policy')).toContain("form-action 'self' https://github.com;");
    const pressed = await browser.press(shown, 'Continue');
    expect(pressed.status).toBe(303);
    expect(pressed.location).toMatch(/^https:\/\/github\.com\/apps\/fairlead\/installations\/new/);
    expect(await flowsOf()).toMatchObject([{ created_by: `user:${userId}`, account_id: 42 }]);
  });

  test('returns 403 when another site sends the form of that page', async () => {
    const token = hidden((await install({})).text, 'csrf_token');
    const form = { project_id: projectId, csrf_token: token };
    const other = await addUser(api.database, orgId, 'admin');
    const otherPage = await send(`${installPath}?project_id=${projectId}`, {
      cookie: `__Host-fairlead_session=${other.session}`,
    });
    const own = { origin: api.url };
    const wrong: [Headers, Headers][] = [
      [{ origin: 'https://evil.example' }, form],
      [navigates('cross-site', own), form],
      [{}, form],
      [own, { project_id: projectId }],
      [own, { ...form, csrf_token: hidden(otherPage.text, 'csrf_token') }],
    ];
    for (const [headers, fields] of wrong) {
      expect((await send(installPath, { cookie, ...headers }, fields)).status).toBe(403);
    }
    expect((await send(installPath, own, form)).status).toBe(401);
    expect(await flowsOf()).toEqual([]);
    expect((await send(installPath, { cookie, ...own }, form)).status).toBe(303);
  });

  test('gets no page if it may not connect, or names a foreign project or redirect', async () => {
    const viewer = await addUser(api.database, orgId, 'viewer');
    expect((await install({ cookie: `__Host-fairlead_session=${viewer.session}` })).status).toBe(403);
    const foreign = await addProject(api.database, await addOrg(api.database, 'Other'));
    expect((await send(`${installPath}?project_id=${foreign}`, { cookie })).status).toBe(404);
    const away = `${installPath}?project_id=${projectId}&redirect_url=https://evil.example/`;
    expect((await send(away, { cookie })).status).toBe(400);
  });
});

test('accepts a ticket from the page of a platform, and a Bearer token from anywhere', async () => {
  const { secret } = await addToken(api.database, { orgId, projectId });
  const body = { project_id: projectId, app: 'operator' };
  const started = await api.as(secret).ask<{ install_url: string }>('POST', '/v1/integrations/github/start', body);
  const path = started.install_url.replace(publicUrl, '');
  const shown = await send(path, { cookie, ...navigates('cross-site') });
  expect(shown.status).toBe(302);
  expect(shown.location).toMatch(/^https:\/\/github\.com\/apps\/fairlead\/installations\/new/);
  const bearer = await send(`${installPath}?project_id=${projectId}`, {
    authorization: `Bearer ${secret}`,
    ...navigates('cross-site'),
  });
  expect(JSON.parse(bearer.text)).toMatchObject({ url: expect.stringContaining('?ticket=') });
});

test('another site cannot use up the states of a flow with the cookies of a visitor', async () => {
  const started = await install(navigates('same-origin'));
  const flowCookie = [started.cookies].flat().join().split(';')[0];
  const [flow] = await flowsOf();
  const both = `${cookie}; ${flowCookie}`;
  const states = () =>
    api.database
      .reader('flow_states')
      .where({ flow_id: flow?.id ?? '' })
      .orderBy('hash');
  const before = await states();
  const shown = await send(`/connect/${flow?.id}/continue`, { cookie: both, ...navigates('cross-site') });
  expect(shown).toMatchObject({ status: 200, location: '' });
  expect(await states()).toEqual(before);
  const own = await send(`/connect/${flow?.id}/continue`, { cookie: both, ...navigates('same-origin') });
  expect(own.location).toContain('https://github.com/');
  expect(await states()).toHaveLength(before.length + 1);
});

describe('the cookie of a flow', () => {
  test('counts only with the prefix that a sibling host cannot plant', async () => {
    const started = await install(navigates('same-origin'));
    const [name = '', secret = ''] = [started.cookies].flat().join().split(/[=;]/);
    expect(name).toMatch(/^__Host-fairlead_flow_/);
    const [flow] = await flowsOf();
    // The flow is the attacker's own, and the victim's browser has the attacker's cookie.
    const planted = `${name.replace('__Host-', '')}=${secret}`;
    const state = new URL(started.location).searchParams.get('state') ?? '';
    const landing = `/v1/integrations/github/installed?installation_id=4242&setup_action=install&state=${state}`;
    expect((await send(landing, { cookie: planted })).status).toBe(400);
    expect((await send(`/connect/${flow?.id}`, { cookie: planted })).status).toBe(403);
    expect((await send(`/connect/${flow?.id}/cancel`, { cookie: planted, origin: api.url }, {})).status).toBe(403);
    expect(await allConnectFlows(api.database.reader).find(flow?.id ?? '')).toMatchObject({
      status: 'install_pending',
      claimedInstallation: null,
    });
  });

  test.each([
    ['before', (name: string, secret: string) => `${name}=planted; ${name}=${secret}`],
    ['after', (name: string, secret: string) => `${name}=${secret}; ${name}=planted; ${name}=`],
  ])('counts if another cookie of the same name is sent %s it', async (_, header) => {
    const started = await install(navigates('same-origin'));
    const [name = '', secret = ''] = [started.cookies].flat().join().split(/[=;]/);
    const [flow] = await flowsOf();
    expect((await send(`/connect/${flow?.id}`, { cookie: header(name, secret) })).status).toBe(200);
    // The cookie that the end of the flow renews is the flow's own, not the planted one.
    await api.database.write((trx) => allConnectFlows(trx).move(flow?.id ?? '', 'canceled'));
    const ended = await send(`/connect/${flow?.id}/continue`, { cookie: header(name, secret) });
    expect([ended.cookies].flat().join()).toContain(`${name}=${secret};`);
  });
});
