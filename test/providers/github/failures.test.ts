import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { ProviderError, type ProviderFailure } from '../../../providers/failure.ts';
import type { GitHub } from '../../../providers/github/github.ts';
import { type Scripted, scriptedGitHub } from '../../support/fakes/scripted-github.ts';
import { rsaKeyPair } from '../../support/rsa-keys.ts';

const { privateKey } = rsaKeyPair();
// Not in the form of a token: an Enterprise Server or a future GitHub may use forms that we do not know.
const token = 'cnry/0123456789+abcdef';

const mint = (github: GitHub) => github.asApp({ appId: 7, privateKey }).mintToken({ installationId: 5 });
const app = (github: GitHub) => github.asApp({ appId: 7, privateKey }).getApp();
const list = (github: GitHub) => github.withToken(token).listRepositories();
const dispatch = (github: GitHub) =>
  github.withToken(token).dispatchWorkflow({ fullName: 'acme/web', workflow: 'build.yml', ref: 'main', inputs: {} });
const post = (github: GitHub) =>
  github.withToken(token).createStatus({ fullName: 'acme/web', sha: 'abc', state: 'success', context: 'fairlead' });

const uninstall = (github: GitHub) => github.asApp({ appId: 7, privateKey }).deleteInstallation(5);
const installed = (github: GitHub) => github.asApp({ appId: 7, privateKey }).getInstallation(5);
const run = (github: GitHub) => github.withToken(token).getRun('acme/web', 77);
const convert = (github: GitHub) => github.convertManifest('code');
const revoke = (github: GitHub) => github.revokeUserToken({ clientId: 'Iv1.a', clientSecret: 's', token });
const client = (github: GitHub) => github.isClientAccepted({ clientId: 'Iv1.a', clientSecret: 's' });

async function failureOf(act: (github: GitHub) => Promise<unknown>, answer: Scripted): Promise<ProviderError> {
  const { github } = await scriptedGitHub([answer]);
  const error = await act(github).then(
    () => new Error('no failure'),
    (error: unknown) => error,
  );
  if (error instanceof ProviderError) return error;
  throw error;
}

const say = (status: number, message: string, headers: Record<string, string> = {}): Scripted => ({
  status,
  headers,
  body: { message, documentation_url: 'https://docs.github.com/rest' },
});
/** What a proxy between Fairlead and GitHub sends. */
const proxys = (status: number): Scripted => ({
  status,
  headers: { 'content-type': 'text/html' },
  body: '<h1>Not here</h1>',
});
const reset = String(Date.parse('2026-11-01T12:07:00Z') / 1000);
const lacking = 'Resource not accessible by integration';
const secondary = 'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.';

test.each<[string, (github: GitHub) => Promise<unknown>, Scripted, Partial<ProviderFailure>]>([
  ['a wrong key', app, say(401, 'A JSON web token could not be decoded'), { code: 'app_credentials_rejected' }],
  ['a deleted App', app, say(404, 'Integration not found'), { code: 'app_credentials_rejected' }],
  [
    'a wrong clock',
    app,
    say(401, "'Expiration time' claim ('exp') is too far in the future"),
    { code: 'clock_skew', ambiguous: false },
  ],
  [
    'a suspended installation',
    mint,
    say(403, 'This installation has been suspended'),
    { code: 'installation_suspended' },
  ],
  ['an installation that is gone', mint, say(404, 'Not Found'), { code: 'installation_gone' }],
  ['more than was granted', mint, say(422, 'The permissions requested are not granted'), { code: 'validation' }],
  ['a dead token', list, say(401, 'Bad credentials'), { code: 'token_rejected' }],
  ['a missing permission', list, say(403, lacking), { code: 'permission_missing' }],
  [
    'an IP allow list',
    list,
    say(
      403,
      'Although you appear to have the correct authorization credentials, the `acme` organization has an IP allow list enabled',
    ),
    { code: 'policy' },
  ],
  [
    'single sign-on',
    list,
    say(403, 'Forbidden', { 'x-github-sso': 'required; url=https://github.com/x' }),
    { code: 'policy' },
  ],
  ['an archived repository', post, say(403, 'Repository was archived so is read-only.'), { code: 'policy' }],
  [
    'the hourly limit',
    list,
    say(403, 'API rate limit exceeded', { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset }),
    { code: 'rate_limited', retryAfterMs: 420_000 },
  ],
  [
    'the hourly limit as a 429',
    post,
    say(429, 'API rate limit exceeded', {
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': reset,
      'retry-after': '30',
    }),
    { code: 'rate_limited', retryAfterMs: 30_000, ambiguous: false },
  ],
  [
    'the hourly limit without a time',
    list,
    say(403, 'x', { 'x-ratelimit-remaining': '0' }),
    { code: 'rate_limited', retryAfterMs: 60_000 },
  ],
  [
    'a pause of so many seconds',
    post,
    say(403, secondary, { 'retry-after': '17' }),
    { code: 'secondary_limited', retryAfterMs: 17_000 },
  ],
  [
    'a pause until a date',
    post,
    say(429, 'slow down', { 'retry-after': 'Sun, 01 Nov 2026 12:01:30 GMT' }),
    { code: 'secondary_limited', retryAfterMs: 90_000 },
  ],
  ['a pause without a time', post, say(403, secondary), { code: 'secondary_limited', retryAfterMs: 60_000 }],
  ['a repository out of reach', post, say(404, 'Not Found'), { code: 'not_found' }],
  ['a repository that moved', post, say(301, 'Moved Permanently', { location: '/repositories/1' }), { code: 'moved' }],
  ['a read that moved', list, say(307, 'x', { location: '/elsewhere' }), { code: 'moved' }],
  ['a conflict', post, say(409, 'Conflict'), { code: 'conflict' }],
  ['something gone', post, say(410, 'Gone'), { code: 'gone' }],
  ['a legal block', list, say(451, 'Repository access blocked'), { code: 'gone' }],
  ['a bad request', post, say(422, 'Validation Failed'), { code: 'validation', ambiguous: false }],
  ['a failure on reading', list, say(502, 'Server Error'), { code: 'unavailable', status: 502, ambiguous: false }],
  [
    'a failure on writing',
    post,
    say(503, 'x', { 'retry-after': '5' }),
    { code: 'unavailable', retryAfterMs: 5000, ambiguous: true },
  ],
  ['a broken connection on reading', list, { drop: true }, { code: 'network', ambiguous: false }],
  ['a broken connection on writing', post, { drop: true }, { code: 'network', ambiguous: true }],
  [
    'HTML instead of JSON',
    list,
    { headers: { 'content-type': 'text/html' }, body: '<h1>Login</h1>' },
    { code: 'unexpected' },
  ],
  ['half an answer', list, { body: '{"total_count": 3, "repositories": [{"id"' }, { code: 'unexpected' }],
  ['another shape', list, { body: { total_count: 1, repositories: [{ id: 'x' }] } }, { code: 'unexpected' }],
  ['a missing workflow file', dispatch, say(404, 'Not Found'), { code: 'workflow_file_missing' }],
  [
    'a missing trigger',
    dispatch,
    say(422, "Workflow does not have 'workflow_dispatch' trigger"),
    { code: 'workflow_not_dispatchable' },
  ],
  [
    'undeclared inputs',
    dispatch,
    say(422, 'Unexpected inputs provided: ["fairlead_build"]'),
    { code: 'workflow_inputs_undeclared' },
  ],
  [
    'a required input',
    dispatch,
    say(422, "Required input 'stage' not provided"),
    { code: 'workflow_inputs_undeclared' },
  ],
  ['a missing ref', dispatch, say(422, 'No ref found for: main'), { code: 'ref_missing' }],
  [
    'a disabled workflow',
    dispatch,
    say(422, "Cannot trigger a 'workflow_dispatch' on a disabled workflow"),
    { code: 'workflow_disabled' },
  ],
  [
    'Actions disabled',
    dispatch,
    say(422, 'Actions has been disabled for this repository.'),
    { code: 'actions_disabled' },
  ],
  ['a dispatch without permission', dispatch, say(403, lacking), { code: 'permission_missing' }],
  [
    'a dispatch that failed after the effect',
    dispatch,
    say(503, 'Service Unavailable'),
    { code: 'unavailable', ambiguous: true },
  ],
  ['a proxy’s timeout', dispatch, say(408, 'Request Timeout'), { code: 'unavailable', ambiguous: true }],
  ['a proxy’s closed request', dispatch, say(499, 'x'), { code: 'unavailable', ambiguous: true }],
  ['a proxy’s refusal of a dispatch', dispatch, proxys(404), { code: 'unavailable', ambiguous: true }],
  ['a proxy’s refusal to uninstall', uninstall, proxys(404), { code: 'unavailable' }],
  ['a proxy’s refusal to read a run', run, proxys(404), { code: 'unavailable' }],
  ['a proxy’s refusal to read an installation', installed, proxys(404), { code: 'unavailable' }],
  ['a proxy’s refusal of a manifest code', convert, proxys(404), { code: 'unavailable' }],
  ['a proxy’s refusal to revoke a token', revoke, proxys(404), { code: 'unavailable' }],
  ['a proxy’s refusal of a client', client, proxys(404), { code: 'unavailable' }],
  ['a proxy’s empty refusal', dispatch, { status: 403, body: '' }, { code: 'unavailable', ambiguous: true }],
  ['a proxy’s refusal of a token', mint, proxys(404), { code: 'unavailable' }],
  ['a proxy’s refusal of a key', app, proxys(401), { code: 'unavailable', ambiguous: false }],
  ['a proxy’s refusal of a read', list, { status: 404, body: { error: 'no route' } }, { code: 'unavailable' }],
  ['a dispatch whose answer was lost', dispatch, { drop: true }, { code: 'network', ambiguous: true }],
])('reports %s with its own code', async (_, act, answer, expected) => {
  expect(await failureOf(act, answer)).toMatchObject(expected);
});

test.each([
  ['the whole call', { timeoutMs: 100 }],
  ['the connection', { connectionMs: 100 }],
])('reports %s without an answer in time as a timeout, ambiguous for a write', async (_, limits) => {
  const { github } = await scriptedGitHub([{ hang: true }], limits);

  await expect(post(github)).rejects.toMatchObject({ code: 'timeout', ambiguous: true });
  await expect(list(github)).rejects.toMatchObject({ code: 'timeout', ambiguous: false });
});

test('sends every request once, for any answer', async () => {
  for (const answer of [say(500, 'x'), say(429, 'x'), say(401, 'x'), say(404, 'x'), { drop: true }]) {
    const { github, seen } = await scriptedGitHub([answer]);
    await expect(dispatch(github)).rejects.toThrow();
    expect(seen).toHaveLength(1);
  }
});

test('keeps our secrets out of errors when a host repeats them', async () => {
  const answer = say(422, `token ${token}, ${encodeURIComponent(token)}\r\nand more ${'x'.repeat(500)}`, {
    'x-echo': token,
  });

  for (const act of [post, dispatch, list]) {
    const error = await failureOf(act, answer);
    const everything = JSON.stringify({ ...error, message: error.message, stack: error.stack });

    expect(everything).not.toContain('cnry');
    expect(error.cause).toBeUndefined();
    expect(error.message.length).toBeLessThan(400);
    expect(error.message).not.toMatch(/[\r\n]/);
  }
});

test('reports an unreadable private key as a failure of the App, without its content', async () => {
  const { github, seen } = await scriptedGitHub([]);
  const ecKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' });

  for (const key of ['', 'cnry', privateKey.slice(0, 200), String(ecKey)]) {
    expect(() => github.asApp({ appId: 7, privateKey: key })).toThrow(
      expect.objectContaining({ code: 'app_credentials_rejected', message: expect.not.stringContaining('cnry') }),
    );
  }
  expect(seen).toEqual([]);
});
