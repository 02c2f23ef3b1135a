import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { githubHost } from '../../../domain/github/github-host.ts';
import { createGuardedFetch } from '../../../providers/egress/guarded-fetch.ts';
import { ProviderError } from '../../../providers/failure.ts';
import { createGitHub, type GitHub } from '../../../providers/github/github.ts';
import type { App, GitHubStandIn } from '../../../stand-ins/github/stand-in.ts';
import { startGitHub } from '../../support/github.ts';

let standIn: GitHubStandIn;
let github: GitHub;
let app: App;

function patientFor(timeoutMs: number): GitHub {
  const fetch = createGuardedFetch({ allowedHosts: [{ origin: standIn.url }], timeoutMs: 20_000, maxBytes: 10_000 });
  return createGitHub({ host: githubHost(standIn.url, standIn.apiUrl), fetch, timeoutMs });
}

beforeAll(async () => {
  standIn = await startGitHub();
  github = patientFor(10_000);
  app = standIn.addApp();
});
afterEach(() => standIn.faults.clear());
afterAll(() => standIn?.close());

const credentials = () => ({ clientId: app.clientId, clientSecret: app.clientSecret });
const token = 'ghu_canaryCanaryCanaryCanaryCanaryCanary';

async function failureOf(work: Promise<unknown>, ...secrets: string[]): Promise<ProviderError> {
  const error = await work.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  expect(error).toBeInstanceOf(ProviderError);
  const text = inspect(error, { depth: 10 }) + (error as Error).stack + JSON.stringify(error);
  const basic = Buffer.from(`${app.clientId}:${app.clientSecret}`).toString('base64');
  for (const secret of [app.clientSecret, basic, token, ...secrets]) expect(text).not.toContain(secret);
  return error as ProviderError;
}

/** The result of the code’s single use. After an ambiguous failure it is lost or unknown. */
test.each([
  ['another refusal', { kind: 'status', status: 200, body: { error: 'unverified_user_email' } }, 'unexpected', false],
  [
    'a refusal named as nothing is',
    { kind: 'status', status: 200, body: { error: 'constructor' } },
    'unexpected',
    false,
  ],
  ['a page', { kind: 'status', status: 200, body: '<html>' }, 'unexpected', true],
  ['no token', { kind: 'status', status: 200, body: { access_token: '' } }, 'unexpected', true],
  [
    'a token and an error',
    { kind: 'status', status: 200, body: { access_token: token, error: 'x' } },
    'unexpected',
    false,
  ],
  ['too long an answer', { kind: 'status', status: 200, body: 'x'.repeat(20_000) }, 'unexpected', true],
  ['a failure', { kind: 'status', status: 502, body: '<html>' }, 'unavailable', true],
  ['a limit', { kind: 'status', status: 429, retryAfter: 9 }, 'secondary_limited', false],
  ['no answer', { kind: 'hang' }, 'timeout', true],
  ['a break before it', { kind: 'reset' }, 'network', true],
] as const)('exchanges no code on %s', async (_, fault, code, ambiguous) => {
  standIn.faults.add({ method: 'POST', path: /access_token$/, times: 1, ...fault });
  const signInCode = standIn.addOAuthCode(app);
  const verifier = 'a-verifier-that-nobody-may-see-in-any-failure';
  const asked = fault.kind === 'hang' ? patientFor(200) : github;
  const failure = await failureOf(
    asked.exchangeCode({ ...credentials(), code: signInCode, codeVerifier: verifier }),
    signInCode,
    verifier,
  );
  expect(failure).toMatchObject({ code, ambiguous });
});

test('sends a code in the body, and only to the web host', async () => {
  const before = standIn.ledger.length;
  const code = standIn.addOAuthCode(app);
  await github.exchangeCode({ ...credentials(), code });
  const sent = standIn.ledger.slice(before);
  expect(sent).toMatchObject([{ method: 'POST', path: '/login/oauth/access_token', query: '' }]);
  expect(sent[0]?.headers).toMatchObject({
    accept: 'application/json',
    'content-type': 'application/x-www-form-urlencoded',
  });
  expect(sent[0]?.authorization).toBeUndefined();
});

test('sends no code to an unreachable host', async () => {
  const gone = await startGitHub();
  await gone.close();
  const fetch = createGuardedFetch({ allowedHosts: [{ origin: gone.url }], timeoutMs: 1_000, maxBytes: 1_000 });
  const away = createGitHub({ host: githubHost(gone.url, gone.apiUrl), fetch });
  const failure = await failureOf(away.exchangeCode({ ...credentials(), code: 'a-code-that-was-never-sent' }));
  expect(failure).toMatchObject({ code: 'network', ambiguous: false });
});

test.each([404, 422])('counts a token as revoked when GitHub returns %i', async (status) => {
  standIn.faults.add({ method: 'DELETE', path: /^\/applications\//, kind: 'status', status });
  await github.revokeUserToken({ ...credentials(), token });
});

test.each([
  [{ kind: 'status', status: 503 }, 'unavailable'],
  [{ kind: 'secondary_limit' }, 'secondary_limited'],
  [{ kind: 'hang' }, 'timeout'],
  [{ kind: 'lost_answer' }, 'network'],
] as const)('does not know whether a token is revoked after %j', async (fault, code) => {
  standIn.faults.add({ method: 'DELETE', path: /^\/applications\//, ...fault });
  const asked = fault.kind === 'hang' ? patientFor(200) : github;
  expect(await failureOf(asked.revokeUserToken({ ...credentials(), token }))).toMatchObject({ code });
});
