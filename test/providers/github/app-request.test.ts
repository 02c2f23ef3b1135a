import { afterEach, beforeEach, expect, test } from 'vitest';
import { type GitHubHost, githubHost } from '../../../domain/github/github-host.ts';
import { createGuardedFetch } from '../../../providers/egress/guarded-fetch.ts';
import { createGitHub } from '../../../providers/github/github.ts';
import type { App, GitHubStandIn } from '../../../stand-ins/github/stand-in.ts';
import { scriptedGitHub } from '../../support/fakes/scripted-github.ts';
import { startGitHub } from '../../support/github.ts';
import { rsaKeyPair } from '../../support/rsa-keys.ts';

const { privateKey } = rsaKeyPair();
const now = Date.parse('2026-11-01T12:00:00Z');
const skewText = "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued";

let standIn: GitHubStandIn;
let app: App;

beforeEach(async () => {
  standIn = await startGitHub();
  app = standIn.addApp();
});
afterEach(() => standIn.close());

function asApp(host: GitHubHost = githubHost(standIn.url, standIn.apiUrl), origin = standIn.url) {
  const fetch = createGuardedFetch({
    allowedHosts: [{ origin }],
    timeoutMs: 5000,
    maxBytes: 1_000_000,
    resolve: async () => ['10.0.0.1'],
  });
  return createGitHub({ host, fetch }).asApp(app);
}

const statuses = () => standIn.requests().map(({ status }) => status);

function claimsOf(authorization: string | undefined): { iat: number; exp: number; iss: string } {
  const [, claims = ''] = (authorization ?? '').split('.');
  return JSON.parse(Buffer.from(claims, 'base64url').toString());
}

test('sends one request for each call of an App', async () => {
  const installation = standIn.addInstallation(app);
  const github = asApp();
  const calls: (() => Promise<unknown>)[] = [
    () => github.getApp(),
    () => github.listInstallations(),
    () => github.getInstallation(installation.id),
    () => github.listInstallationRequests(),
    () => github.getHookConfig(),
    () => github.setHookSecret({ url: undefined, insecureSsl: '0', secret: 'x'.repeat(40) }),
    () => github.listHookDeliveries(),
    () => github.mintToken({ installationId: installation.id }),
    () => github.mintToken({ installationId: installation.id }),
    () => github.deleteInstallation(installation.id),
  ];
  for (const [index, call] of calls.entries()) {
    await call();
    expect(standIn.requests()).toHaveLength(index + 1);
  }
  for (const { authorization } of standIn.requests()) expect(claimsOf(authorization).iss).toBe(String(app.appId));
});

test.each([15, -15])('signs by GitHub’s clock when that is %i minutes from ours', async (minutes) => {
  standIn.clock.skewMs = minutes * 60_000;
  const github = asApp();

  await github.getApp();
  // GitHub refuses the first signature. Its refusal tells the time.
  expect(statuses()).toEqual([401, 200]);
  for (const call of [github.getApp, github.listInstallations, github.getHookConfig]) await call();
  expect(statuses()).toEqual([401, 200, 200, 200, 200]);

  const { at, authorization } = standIn.requests().at(-1) ?? { at: 0 };
  const { iat, exp } = claimsOf(authorization);
  const hostSeconds = (at + minutes * 60_000) / 1000;
  expect(Math.abs(iat - (hostSeconds - 60))).toBeLessThan(5);
  expect(Math.abs(exp - (hostSeconds + 540))).toBeLessThan(5);
});

test.each([
  ['tells the time that we signed with', 401, { date: new Date(now).toUTCString() }, skewText, 'clock_skew'],
  ['tells no time', 401, {}, skewText, 'clock_skew'],
  ['is about the key', 401, {}, 'A JSON web token could not be decoded', 'app_credentials_rejected'],
  ['is a redirect', 301, { location: '/elsewhere' }, 'Moved Permanently', 'moved'],
  ['is a redirect to another host', 302, { location: 'https://evil.example/app' }, 'Found', 'moved'],
  ['is a limit', 429, { 'retry-after': '30' }, 'slow down', 'secondary_limited'],
  ['is a failure', 503, {}, 'Service Unavailable', 'unavailable'],
])('does not repeat a request whose answer %s', async (_, status, headers: Record<string, string>, message, code) => {
  const { github, seen } = await scriptedGitHub([{ status, headers, body: { message } }]);

  await expect(github.asApp({ appId: 7, privateKey }).getApp()).rejects.toMatchObject({ code, status });
  expect(seen.map(({ path }) => path)).toEqual(['/app']);
});

test.each([{ hang: true }, { drop: true }])('does not repeat a request that gets no answer: %j', async (answer) => {
  const { github, seen } = await scriptedGitHub([answer], { timeoutMs: 200 });

  const code = answer.hang ? 'timeout' : 'network';
  await expect(github.asApp({ appId: 7, privateKey }).getApp()).rejects.toMatchObject({ code });
  expect(seen).toHaveLength(1);
});

test('sends nothing to a private address', async () => {
  const named = asApp(githubHost('https://github.internal.example'));
  await expect(named.getApp()).rejects.toMatchObject({ code: 'address_refused' });
  const notAllowed = asApp(githubHost(standIn.url, standIn.apiUrl), 'https://github.com');
  await expect(notAllowed.getApp()).rejects.toMatchObject({ code: 'address_refused' });
  expect(standIn.requests()).toEqual([]);
});
