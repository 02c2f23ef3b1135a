import { createHash, randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { githubHost } from '../../../domain/github/github-host.ts';
import { createGuardedFetch } from '../../../providers/egress/guarded-fetch.ts';
import { ProviderError } from '../../../providers/failure.ts';
import { createGitHub, type GitHub } from '../../../providers/github/github.ts';
import type { App, GitHubStandIn } from '../../../stand-ins/github/stand-in.ts';
import { scriptedGitHub } from '../../support/fakes/scripted-github.ts';
import { startGitHub } from '../../support/github.ts';

let standIn: GitHubStandIn;
let github: GitHub;
let app: App;

function patientFor(timeoutMs: number): GitHub {
  const fetch = createGuardedFetch({ allowedHosts: [{ origin: standIn.url }], timeoutMs: 20_000, maxBytes: 1_000_000 });
  return createGitHub({ host: githubHost(standIn.url, standIn.apiUrl), fetch, timeoutMs });
}

beforeEach(async () => {
  standIn = await startGitHub();
  github = patientFor(10_000);
  app = standIn.addApp();
});
afterEach(async () => {
  // Two of our URLs are on the web host, which GitHub's document does not describe.
  expect(standIn.violations).toEqual([]);
  await standIn.close();
});

async function failureOf(work: Promise<unknown>): Promise<ProviderError> {
  const error = await work.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  expect(error).toBeInstanceOf(ProviderError);
  return error as ProviderError;
}

/** Everything of an error that a log, a history or an answer could show. */
const shown = (error: Error) => inspect(error, { depth: 10 }) + error.stack + JSON.stringify(error);
const pkce = () => {
  const verifier = randomBytes(32).toString('base64url');
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') };
};
const credentials = () => ({ clientId: app.clientId, clientSecret: app.clientSecret });

test('exchanges a code once for the App with its secrets', async () => {
  const code = standIn.addManifestCode({ name: 'Deploys', default_permissions: { contents: 'read' } });
  const converted = await github.convertManifest(code);
  expect(converted).toMatchObject({
    name: 'Deploys',
    slug: 'deploys',
    owner: { login: 'octocat', type: 'User' },
    permissions: { contents: 'read' },
    privateKey: expect.stringContaining('BEGIN RSA PRIVATE KEY'),
  });
  for (const secret of [converted.clientSecret, converted.webhookSecret]) expect(secret).toMatch(/\w{20}/);
  const again = await failureOf(github.convertManifest(code));
  expect(again).toMatchObject({ code: 'manifest_code_refused', ambiguous: false });
  expect(shown(again)).not.toContain(code);
  expect(standIn.requests({ path: /conversions$/ }).every(({ authorization }) => authorization === undefined)).toBe(
    true,
  );
});

test.each([
  [{ kind: 'status', status: 401 }, 'conversion_unauthorized', false],
  [{ kind: 'status', status: 503 }, 'unavailable', true],
  [{ kind: 'lost_answer' }, 'network', true],
  [{ kind: 'hang' }, 'timeout', true],
] as const)('fails with %s when a conversion meets %j', async (fault, code, ambiguous) => {
  standIn.faults.add({ method: 'POST', path: /conversions$/, ...fault });
  const manifestCode = standIn.addManifestCode();
  const asked = fault.kind === 'hang' ? patientFor(200) : github;
  const failure = await failureOf(asked.convertManifest(manifestCode));
  expect(failure).toMatchObject({ code, ambiguous });
  expect(shown(failure)).not.toContain(manifestCode);
});

test('does not repeat the code when the host does', async () => {
  const code = standIn.addManifestCode();
  const body = { message: `No App for ${code}`, documentation_url: 'https://docs.github.com' };
  for (const status of [401, 404, 503]) {
    standIn.faults.add({ path: /conversions$/, kind: 'status', status, body, times: 1 });
    const failure = await failureOf(github.convertManifest(code));
    expect(failure.message).toContain('No App for');
    expect(shown(failure)).not.toContain(code);
  }
});

test('knows that an unreachable host got nothing', async () => {
  const code = standIn.addManifestCode();
  await standIn.close();
  expect(await failureOf(github.convertManifest(code))).toMatchObject({ code: 'network', ambiguous: false });
  standIn = await startGitHub();
});

test('exchanges a sign-in’s code with its verifier once, and identifies the person', async () => {
  const { verifier, challenge } = pkce();
  const code = standIn.addOAuthCode(app, { challenge });
  const { token, ...rest } = await github.exchangeCode({ ...credentials(), code, codeVerifier: verifier });
  expect(token).toMatch(/^ghu_/);
  expect(rest).toEqual({});
  expect(await github.asUser(token).getUser()).toEqual({ id: 583231, login: 'octocat' });
  const again = github.exchangeCode({ ...credentials(), code, codeVerifier: verifier });
  expect(await failureOf(again)).toMatchObject({ code: 'oauth_code_refused', ambiguous: false });
});

test('tells a wrong verifier, secret and redirect URL apart, and shows none of them', async () => {
  const code = () => standIn.addOAuthCode(app, { challenge: pkce().challenge });
  const wrong = pkce().verifier;
  const first = await failureOf(github.exchangeCode({ ...credentials(), code: code(), codeVerifier: wrong }));
  expect(first.code).toBe('oauth_code_refused');
  const secret = 'a-client-secret-that-is-not-the-one';
  const second = await failureOf(github.exchangeCode({ clientId: app.clientId, clientSecret: secret, code: code() }));
  expect(second.code).toBe('client_credentials_rejected');
  const open = standIn.addOAuthCode(app);
  const third = await failureOf(
    github.exchangeCode({ ...credentials(), code: open, redirectUri: 'https://evil.example' }),
  );
  expect(third.code).toBe('redirect_uri_mismatch');
  for (const text of [first, second, third].map(shown)) {
    for (const hidden of [wrong, secret, app.clientSecret, open]) expect(text).not.toContain(hidden);
  }
});

test('marks a lost answer of an exchange as ambiguous', async () => {
  standIn.faults.add({ method: 'POST', path: /access_token$/, kind: 'lost_answer' });
  const code = standIn.addOAuthCode(app);
  expect(await failureOf(github.exchangeCode({ ...credentials(), code }))).toMatchObject({ ambiguous: true });
});

test('counts revoking a revoked token as done', async () => {
  const { token } = await github.exchangeCode({ ...credentials(), code: standIn.addOAuthCode(app) });
  await github.revokeUserToken({ ...credentials(), token });
  expect(await failureOf(github.asUser(token).getUser())).toMatchObject({ code: 'token_rejected' });
  await github.revokeUserToken({ ...credentials(), token });
});

test('names the account and the requester of each request', async () => {
  const acme = { id: 9000, login: 'acme', type: 'Organization' as const };
  const asked = standIn.requestInstallation(app, acme);
  const { requests, next } = await github.asApp(app).listInstallationRequests();
  expect(requests).toEqual([
    { id: asked.id, account: acme, requester: { id: 583231, login: 'octocat' }, createdAt: expect.any(Number) },
  ]);
  expect(next).toBeUndefined();
});

test('stops on pages that link back to earlier ones', async () => {
  const headers = { link: '<https://elsewhere.example/?page=2>; rel="next"' };
  const scripted = await scriptedGitHub([{ body: [], headers }]);
  const asApp = scripted.github.asApp(app);
  expect(await asApp.listInstallationRequests(1)).toMatchObject({ next: 2 });
  expect(await asApp.listInstallationRequests(2)).toMatchObject({ next: undefined });
});

test('returns the App’s webhook URL without its secret', async () => {
  const hooked = standIn.addApp({ hookUrl: 'https://fairlead.example/hook' });
  const hook = await github.asApp(hooked).getHookConfig();
  expect(hook).toEqual({ url: 'https://fairlead.example/hook', contentType: 'json', insecureSsl: '0' });
});
