import { expect, test } from 'vitest';
import { ask } from './ask.ts';
import { callback, queryOf, town } from './town.ts';

async function asked() {
  const { github, app, ...rest } = await town();
  github.askToAuthorize = true;
  const query = new URLSearchParams({ client_id: app.clientId, redirect_uri: callback, state: 's-1' });
  const url = `${github.url}/login/oauth/authorize?${query}`;
  const basic = `Basic ${Buffer.from(`${app.clientId}:${app.clientSecret}`).toString('base64')}`;
  const tokens = async (code: string) => {
    const body = { client_id: app.clientId, client_secret: app.clientSecret, code };
    return (await ask(github.url, 'POST /login/oauth/access_token', { body })).body as Record<string, string>;
  };
  const ofClient = (request: string, access_token: string, authorization = basic) =>
    ask(github.apiUrl, request.replace('…', `/applications/${app.clientId}`), {
      authorization,
      body: { access_token },
    });
  return { github, app, url, tokens, ofClient, ...rest };
}

test('asks a person once, and sends the browser back with the error if the person cancels', async () => {
  const { github, browser, url } = await asked();
  const page = await browser.visit(url);
  expect(browser.read(page)).toContain('Authorize fairlead');
  const cancelled = await browser.press(page, 'Cancel');
  expect(queryOf(cancelled)).toMatchObject({ error: 'access_denied', state: 's-1' });
  expect(queryOf(cancelled)['error_description']).toMatch(/denied/);
  expect(github.state.oauthCodes.size).toBe(0);

  const agreed = await browser.press(page, 'Authorize fairlead');
  expect(queryOf(agreed)).toEqual({ code: expect.any(String), state: 's-1' });
  expect(queryOf(await browser.visit(url))).toEqual({ code: expect.any(String), state: 's-1' });
  github.signInAs({ login: 'bob', id: 77, type: 'User' });
  expect(await browser.visit(url)).toMatchObject({ status: 200 });
});

test('lets an App check and revoke a token with its secret, and a grant with all its tokens', async () => {
  const { github, app, tokens, ofClient } = await asked();
  const user = (token: string) => ask(github.apiUrl, 'GET /user', { authorization: `Bearer ${token}` });
  const [first = {}, second = {}, third = {}] = [
    await tokens(github.addOAuthCode(app)),
    await tokens(github.addOAuthCode(app)),
    await tokens(github.addOAuthCode(app)),
  ];
  const [a = '', b = '', c = ''] = [first['access_token'], second['access_token'], third['access_token']];
  expect(await ofClient('POST …/token', a)).toMatchObject({ status: 200, body: { user: { login: 'octocat' } } });
  expect(await ofClient('POST …/token', a, 'Basic bm90OnRydWU=')).toMatchObject({ status: 401 });
  expect(await ofClient('POST …/token', 'ghu_unknown')).toMatchObject({ status: 404 });

  expect(await ofClient('DELETE …/token', a)).toMatchObject({ status: 204 });
  expect([(await user(a)).status, (await user(b)).status]).toEqual([401, 200]);
  expect(await ofClient('DELETE …/grant', b)).toMatchObject({ status: 204 });
  expect([(await user(b)).status, (await user(c)).status]).toEqual([401, 401]);
  expect(github.state.refreshTokens.size).toBe(0);
  expect(github.state.grants.size).toBe(0);
  expect(await ofClient('DELETE …/grant', b)).toMatchObject({ status: 422 });
  expect(github.violations).toEqual([]);
});
