import { expect, test } from 'vitest';
import { appJwt, ask } from './ask.ts';
import { installed, receiver } from './installed.ts';

const jwtOf = async (options: Parameters<typeof installed>[0]) => {
  const { github, app } = await installed(options);
  return { github, app, authorization: appJwt(app) };
};

test('an Enterprise Server shows its version everywhere, has no limits, and does not know the newest API', async () => {
  const { github, app, authorization } = await jwtOf({ flavour: 'ghes', enterpriseVersion: '3.17.4' });
  const meta = await ask(github.apiUrl, 'GET /meta', { headers: { 'user-agent': 'test' } });
  expect(meta).toMatchObject({ status: 200, body: { installed_version: '3.17.4' } });
  expect(meta.headers.get('x-github-enterprise-version')).toBe('3.17.4');
  expect([...meta.headers.keys()].filter((name) => name.startsWith('x-ratelimit'))).toEqual([]);

  const version = { 'x-github-api-version': '2026-03-10' };
  expect(await ask(github.apiUrl, 'GET /app', { authorization, headers: version })).toMatchObject({ status: 400 });
  // Only the API is below its root, the pages are not.
  expect(await ask(github.url, 'GET /app', { authorization })).toMatchObject({ status: 404 });
  const page = await ask(github.apiUrl, 'GET /login/oauth/authorize?client_id=x', { authorization });
  expect(page.body['message']).toBe('Not Found');

  const { received, hookUrl } = await receiver();
  app.hookUrl = hookUrl;
  await github.sendWebhook({ app, event: 'ping', payload: { zen: 'Keep it logically awesome.' } });
  expect(received[0]?.headers).toMatchObject({
    'x-github-enterprise-host': new URL(github.url).host,
    'x-github-enterprise-version': '3.17.4',
  });
  expect(github.violations).toEqual([]);
});

test('github.com shows no version, but the rest of the hourly limit', async () => {
  const { github, authorization } = await jwtOf({});
  const meta = await ask(github.apiUrl, 'GET /meta', { authorization });
  expect(meta.body).toEqual({ verifiable_password_authentication: false });
  expect(meta.headers.get('x-ratelimit-remaining')).toBe('4999');
  expect(meta.headers.get('x-github-enterprise-version')).toBeNull();
});

test('a tenant of ghe.com has its API on a separate host without the sign-in', async () => {
  const { github, authorization } = await jwtOf({ flavour: 'ghe.com' });
  expect(new URL(github.apiUrl).host).not.toBe(new URL(github.url).host);
  const version = { 'x-github-api-version': '2026-03-10' };
  expect(await ask(github.apiUrl, 'GET /app', { authorization, headers: version })).toMatchObject({ status: 200 });
  expect(await ask(github.url, 'GET /app', { authorization })).toMatchObject({ status: 404 });
  const token = 'POST /login/oauth/access_token';
  expect(await ask(github.url, token, { body: {} })).toMatchObject({ status: 200 });
  expect(await ask(github.apiUrl, token, { body: {}, authorization })).toMatchObject({ status: 404 });
});
