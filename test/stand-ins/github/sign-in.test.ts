import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { ask } from './ask.ts';
import { github, installed } from './installed.ts';

const callback = 'https://fairlead.example/callback';
const verifier = 'a-verifier-that-only-the-one-who-began-it-knows';
const challenge = createHash('sha256').update(verifier).digest('base64url');

async function registered() {
  const standIn = await github();
  const app = standIn.addApp({ callbackUrls: [callback] });
  const authorize = (query: Record<string, string>) =>
    ask(standIn.url, `GET /login/oauth/authorize?${new URLSearchParams({ client_id: app.clientId, ...query })}`);
  const exchange = (form: Record<string, string>) =>
    ask(standIn.url, 'POST /login/oauth/access_token', {
      body: { client_id: app.clientId, client_secret: app.clientSecret, ...form },
    });
  return { github: standIn, app, authorize, exchange };
}

test('returns the browser with a code that works once and only with the verifier', async () => {
  const { github, authorize, exchange } = await registered();
  const query = { redirect_uri: callback, state: 's-1', code_challenge: challenge, code_challenge_method: 'S256' };
  const codes: string[] = [];
  for (let browser = 0; browser < 2; browser++) {
    const answer = await authorize(query);
    expect(answer.status).toBe(302);
    const location = new URL(answer.headers.get('location') ?? '');
    expect(location.href).toMatch(/^https:\/\/fairlead\.example\/callback\?/);
    expect(location.searchParams.get('state')).toBe('s-1');
    codes.push(location.searchParams.get('code') ?? '');
  }
  const [mine = '', stolen = ''] = codes;
  const bad = { status: 200, body: { error: 'bad_verification_code' } };
  expect(await exchange({ code: stolen, code_verifier: 'guessed' })).toMatchObject(bad);
  expect(await exchange({ code: stolen, code_verifier: verifier })).toMatchObject(bad);

  const signedIn = await exchange({ code: mine, code_verifier: verifier, redirect_uri: callback });
  const authorization = `Bearer ${signedIn.body['access_token']}`;
  expect(await ask(github.apiUrl, 'GET /user', { authorization })).toMatchObject({ body: { login: 'octocat' } });
  expect(await exchange({ code: mine, code_verifier: verifier })).toMatchObject(bad);
  expect(github.violations).toEqual([]);
});

test.each([
  ['a callback that is not registered', { redirect_uri: 'https://evil.example/' }],
  ['a plain challenge', { code_challenge: challenge, code_challenge_method: 'plain' }],
  ['a challenge of no method', { code_challenge: challenge }],
])('gives no code for %s', async (_, query) => {
  const { github, authorize } = await registered();
  expect(await authorize(query)).toMatchObject({ status: 400 });
  expect(github.state.oauthCodes.size).toBe(0);
});

test('expires codes after ten minutes and tokens after eight hours, and a refresh ends both earlier tokens', async () => {
  const { github, app, exchange } = await registered();
  const user = (token: unknown) => ask(github.apiUrl, 'GET /user', { authorization: `Bearer ${token}` });
  const late = github.addOAuthCode(app);
  github.clock.skewMs = 601_000;
  expect((await exchange({ code: late })).body['error']).toBe('bad_verification_code');

  const first = (await exchange({ code: github.addOAuthCode(app) })).body;
  const refresh = { grant_type: 'refresh_token', refresh_token: String(first['refresh_token']) };
  const second = (await exchange(refresh)).body;
  expect((await user(first['access_token'])).status).toBe(401);
  expect((await user(second['access_token'])).status).toBe(200);
  expect((await exchange(refresh)).body['error']).toBe('bad_refresh_token');
  github.clock.skewMs += 8 * 3_600_000;
  expect((await user(second['access_token'])).status).toBe(401);
  expect((await exchange({ code: 'x', client_secret: 'wrong' })).body['error']).toBe('incorrect_client_credentials');
});

test('shows a user the installations of their organizations, and their role there', async () => {
  const permissions = { members: 'read', actions: 'write' };
  const { github, app, installation } = await installed({ permissions });
  const sees = async (account: { login: string; id: number; type: 'User' }, org: string) => {
    const code = github.addOAuthCode(app, { user: account });
    const body = { client_id: app.clientId, client_secret: app.clientSecret, code };
    const tokens = await ask(github.url, 'POST /login/oauth/access_token', { body });
    const get = (path: string) =>
      ask(github.apiUrl, `GET ${path}`, { authorization: `Bearer ${tokens.body['access_token']}` });
    const [list, one, all] = [
      await get('/user/installations'),
      await get(`/user/memberships/orgs/${org}`),
      await get('/user/memberships/orgs'),
    ];
    return {
      installations: list.body['total_count'],
      status: one.status,
      role: one.body['role'],
      memberships: all.body,
    };
  };
  const admin = { login: 'ada', id: 1, type: 'User' } as const;
  const stranger = { login: 'eve', id: 2, type: 'User' } as const;
  github.addMembership(installation.account, admin, 'admin');
  expect(await sees(admin, 'acme')).toMatchObject({ installations: 1, status: 200, role: 'admin', memberships: [{}] });
  expect(await sees(stranger, 'acme')).toMatchObject({ installations: 0, status: 404, memberships: [] });
  // Without "Members: read" an App cannot see roles.
  installation.permissions = { actions: 'write' };
  expect(await sees(admin, 'acme')).toMatchObject({ installations: 1, status: 403, memberships: [] });
  expect(github.violations).toEqual([]);
});
