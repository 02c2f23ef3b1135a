import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createGitHubConnector, type GitHubConnector } from '../../../broker/connect/github-connect.ts';
import { newId } from '../../../domain/ids.ts';
import { createGuardedFetch } from '../../../providers/egress/guarded-fetch.ts';
import { ProviderError } from '../../../providers/failure.ts';
import type { Account, App, GitHubStandIn } from '../../../stand-ins/github/stand-in.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { startGitHub } from '../../support/github.ts';
import { keyring } from '../../support/hooks.ts';
import { connectorTo, giveClient } from '../../support/scenes/connect-flow.ts';
import { addOperatorApp } from '../../support/scenes/operator-app.ts';

let database: TestDatabase;
let github: GitHubStandIn;
let connector: GitHubConnector;
/** What the connector reports about a token that it could not revoke. */
const troubles: string[] = [];
let app: { id: string; theirs: App };

const alice: Account = { id: 501, login: 'alice', type: 'User' };
const mallory: Account = { id: 666, login: 'mallory', type: 'User' };
const initech: Account = { id: 7100, login: 'initech', type: 'Organization' };

beforeAll(async () => {
  [database, github] = await Promise.all([openTestDatabase(), startGitHub()]);
  const fetch = createGuardedFetch({ allowedHosts: [{ origin: github.url }], timeoutMs: 10_000, maxBytes: 1_000_000 });
  connector = createGitHubConnector({ database, keyring, fetch, onTrouble: (code) => troubles.push(code) });
});

beforeEach(async () => {
  const theirs = github.addApp({ permissions: { members: 'read' } });
  app = await addOperatorApp(database, github, { hostUrl: github.url, theirs });
  await giveClient(database, app.id, theirs);
});

afterEach(() => {
  expect(github.violations).toEqual([]);
  // No person's token is left, in any case.
  expect([...github.state.userTokens.values()].filter(({ appId }) => appId === app.theirs.appId)).toEqual([]);
  github.faults.clear();
  github.state.memberships.length = 0;
  troubles.length = 0;
});

afterAll(async () => {
  await github?.close();
  await database?.drop();
});

const signIn = (user: Account, account?: Account | { id: number; login: string; type: string }) =>
  connector.identify({ githubAppId: app.id, code: github.addOAuthCode(app.theirs, { user }), account });
const install = (account: Account) => github.addInstallation(app.theirs, { account });

async function failureOf(work: Promise<unknown>, ...secrets: string[]): Promise<ProviderError> {
  const error = await work.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  expect(error).toBeInstanceOf(ProviderError);
  const text = inspect(error, { depth: 10 }) + (error as Error).stack + JSON.stringify(error);
  const { clientSecret, privateKey, webhookSecret } = app.theirs;
  const lines = privateKey.split('\n').filter((line) => line.length > 40);
  for (const secret of [clientSecret, webhookSecret, ...lines, ...secrets]) expect(text).not.toContain(secret);
  expect(text).not.toMatch(/ghu_|ghr_/);
  return error as ProviderError;
}

describe('the person who signs in', () => {
  test('owns their own account, and no other person does', async () => {
    expect(await signIn(alice, alice)).toEqual({ userId: 501, login: 'alice', owns: 'account' });
    expect(await signIn(mallory, alice)).toEqual({ userId: 666, login: 'mallory', owns: null });
    expect(await signIn(alice)).toEqual({ userId: 501, login: 'alice', owns: null });
  });

  test('owns an organization as its admin, but not as a member or by seeing its installation', async () => {
    install(initech);
    github.addMembership(initech, alice, 'admin');
    github.addMembership(initech, mallory, 'member');
    expect(await signIn(alice, initech)).toMatchObject({ owns: 'membership' });
    expect(await signIn(mallory, initech)).toMatchObject({ owns: null });
    expect(await signIn({ id: 999, login: 'eve', type: 'User' }, initech)).toMatchObject({ owns: null });
  });

  test('does not own the organization that took over the name of theirs', async () => {
    const renamed = { ...initech, id: 7200 };
    install(renamed);
    github.addMembership(renamed, mallory, 'admin');
    expect(await signIn(mallory, initech)).toMatchObject({ owns: null });
    expect(await signIn(mallory, renamed)).toMatchObject({ owns: 'membership' });
  });

  test('does not own an account of another type with the same number', async () => {
    for (const type of ['Organization', 'Enterprise', 'Bot', '']) {
      expect(await signIn(alice, { id: alice.id, login: 'globex', type })).toMatchObject({ owns: null });
    }
    install(initech);
    github.addMembership(initech, alice, 'admin');
    expect(await signIn(alice, { ...initech, type: 'Enterprise' })).toMatchObject({ owns: null });
  });

  test('owns nothing before accepting the invitation', async () => {
    const body = { ...theirs(), state: 'pending', role: 'admin' };
    github.faults.add({ path: /^\/user\/memberships/, kind: 'status', status: 200, times: 1, body });
    expect(await signIn(alice, initech)).toMatchObject({ owns: null });
    // The body contains only the fields of the organization that Fairlead reads.
    const [complaint, ...others] = new Set(github.violations.splice(0).map((text) => text.split(' must ')[0]));
    expect(complaint).toBe('GET /user/memberships/orgs/{org}: answer 200: /organization');
    expect(others).toEqual([]);
  });

  test('does not count as owner if the App may not read members', async () => {
    github.addMembership(initech, alice, 'admin');
    github.addInstallation(app.theirs, { account: initech, permissions: { contents: 'read' } });
    expect(await signIn(alice, initech)).toMatchObject({ owns: null });
    expect(github.requests({ path: /memberships/ }).at(-1)).toMatchObject({ status: 403 });
  });

  const theirs = () => ({
    url: 'https://x.example',
    organization_url: 'https://x.example',
    organization: { id: initech.id, login: initech.login },
    user: null,
  });
});

describe('a person’s token', () => {
  test('is revoked before any caller learns who the person is', async () => {
    const before = github.ledger.length;
    const found = await signIn(alice, alice);
    const asked = github.ledger.slice(before).map(({ method, path }) => `${method} ${path}`);
    expect(asked).toEqual([
      'POST /login/oauth/access_token',
      'GET /user',
      `DELETE /applications/${app.theirs.clientId}/token`,
    ]);
    expect(JSON.stringify(found)).not.toMatch(/gh[ur]_/);
  });

  test.each([
    ['GET', /^\/user$/, 'unavailable'],
    ['GET', /^\/user\/memberships/, 'unavailable'],
  ])('is revoked although %s %s fails', async (method, path, code) => {
    install(initech);
    github.faults.add({ method, path, kind: 'status', status: 503 });
    expect(await failureOf(signIn(alice, initech))).toMatchObject({ code });
    expect(github.requests({ method: 'DELETE' }).at(-1)).toMatchObject({ status: 204 });
  });

  test('that cannot be revoked stops nothing, and only its error code is reported', async () => {
    github.faults.add({ method: 'DELETE', path: /^\/applications\//, kind: 'status', status: 503, times: 1 });
    expect(await signIn(alice, alice)).toMatchObject({ owns: 'account' });
    expect(troubles).toEqual(['unavailable']);
    github.state.userTokens.clear();
  });
});

describe('a code', () => {
  test('identifies no person with a wrong verifier, of another App, or after its use', async () => {
    const challenge = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM';
    const code = github.addOAuthCode(app.theirs, { user: alice, challenge });
    const codeVerifier = 'not-the-verifier-that-the-challenge-was-made-of';
    const wrong = connector.identify({ githubAppId: app.id, code, codeVerifier });
    expect(await failureOf(wrong, code, codeVerifier)).toMatchObject({ code: 'oauth_code_refused', ambiguous: false });

    const foreign = github.addOAuthCode(github.addApp(), { user: alice });
    const other = connector.identify({ githubAppId: app.id, code: foreign });
    expect(await failureOf(other, foreign)).toMatchObject({ code: 'oauth_code_refused' });

    const used = github.addOAuthCode(app.theirs, { user: alice });
    await connector.identify({ githubAppId: app.id, code: used });
    const again = connector.identify({ githubAppId: app.id, code: used });
    expect(await failureOf(again, used)).toMatchObject({ code: 'oauth_code_refused' });
  });

  test('may have been used when its answer is lost', async () => {
    github.faults.add({ method: 'POST', path: /access_token$/, kind: 'lost_answer', times: 1 });
    expect(await failureOf(signIn(alice))).toMatchObject({ code: 'network', ambiguous: true });
    // The token that was lost with the answer expires.
    github.state.userTokens.clear();
  });

  test('is not sent if the App or its client secret is missing', async () => {
    const bare = await addOperatorApp(database, github, { hostUrl: github.url });
    const before = github.ledger.length;
    const asked = connector.identify({ githubAppId: bare.id, code: 'a-code-for-nobody' });
    expect(await failureOf(asked, 'a-code-for-nobody')).toMatchObject({ code: 'client_credentials_rejected' });
    const unknown = connector.identify({ githubAppId: newId('gha'), code: 'a-code-for-nobody' });
    expect(await failureOf(unknown, 'a-code-for-nobody')).toMatchObject({ code: 'gone' });
    expect(github.ledger).toHaveLength(before);
  });
});

describe('a manifest’s code', () => {
  const convert = (code: string) => connector.convertManifest({ hostUrl: github.url, apiUrl: github.apiUrl, code });

  test('returns the App without any person’s credentials', async () => {
    const converted = await convert(github.addManifestCode({ name: 'Deploys of acme' }));
    expect(converted).toMatchObject({ name: 'Deploys of acme', owner: { login: 'octocat', type: 'User' } });
    expect(github.ledger.at(-1)?.authorization).toBeUndefined();
  });

  test('is rejected the second time, because the lost answer used it', async () => {
    const code = github.addManifestCode();
    github.faults.add({ path: /conversions$/, kind: 'lost_answer', times: 1 });
    expect(await failureOf(convert(code), code)).toMatchObject({ code: 'network', ambiguous: true });
    expect(await failureOf(convert(code), code)).toMatchObject({ code: 'manifest_code_refused', ambiguous: false });
  });
});

describe('what the App sees', () => {
  test('an installation, until it is deleted', async () => {
    const made = install(initech);
    expect(await connector.installation(app.id, made.id)).toMatchObject({
      id: made.id,
      appId: app.theirs.appId,
      account: initech,
    });
    github.uninstall(made);
    expect(await connector.installation(app.id, made.id)).toBeUndefined();
  });

  test('never an installation of another App', async () => {
    const foreign = github.addInstallation(github.addApp(), { account: initech });
    expect(await connector.installation(app.id, foreign.id)).toBeUndefined();
  });

  test('an installation among all installations and requests, on any number of pages', async () => {
    for (let at = 0; at < 101; at += 1) {
      const account: Account = { id: 80_000 + at, login: `org-${at}`, type: 'Organization' };
      install(account);
      github.requestInstallation(app.theirs, { ...account, id: 90_000 + at, login: `asked-${at}` }, alice);
    }
    const goOn = new AbortController().signal;
    const found = [80_000, 80_100].map((account) => connector.findInstallation(app.id, account, goOn));
    expect(await Promise.all(found)).toMatchObject([{ account: { id: 80_000 } }, { account: { id: 80_100 } }]);
    const requests = await connector.installationRequests(app.id, goOn);
    expect(new Set(requests.map(({ account }) => account.id)).size).toBe(101);
    expect(requests[0]).toMatchObject({ requester: { id: alice.id, login: 'alice' } });
  });
});

describe('an App to import', () => {
  const check = ({ appId, privateKey }: { appId: number; privateKey: string }, by = connector) =>
    by.checkImport({ hostUrl: github.url, apiUrl: github.apiUrl, appId, privateKey, orgId: 'org_1' });

  test('is returned with its webhook URL, and nothing is stored', async () => {
    const theirs = github.addApp({ hookUrl: 'https://f.example/hook' });
    const count = () => database.reader('github_apps').count({ all: '*' }).first();
    const before = await count();
    expect(await check(theirs)).toMatchObject({
      id: theirs.appId,
      slug: theirs.slug,
      permissions: theirs.permissions,
      hook: { url: 'https://f.example/hook', contentType: 'json' },
    });
    expect(await count()).toEqual(before);
  });

  test('says that it has no webhook', async () => {
    github.faults.add({ path: /^\/app\/hook\/config$/, kind: 'status', status: 404 });
    expect(await check(github.addApp())).toMatchObject({ hook: { url: undefined, contentType: undefined } });
  });

  test('is rejected with a key of another App or an invalid key', async () => {
    const { appId } = github.addApp();
    const foreign = { appId, privateKey: app.theirs.privateKey };
    expect(await failureOf(check(foreign))).toMatchObject({ code: 'app_credentials_rejected' });
    const broken = '-----BEGIN RSA PRIVATE KEY-----\nY2FuYXJ5Y2FuYXJ5\n-----END RSA PRIVATE KEY-----';
    const none = check({ appId, privateKey: broken });
    expect(await failureOf(none, 'Y2FuYXJ5')).toMatchObject({ code: 'app_credentials_rejected' });
  });

  test('keeps a person waiting for five seconds at most, however many requests it takes', async () => {
    // The first answer corrects our clock, and each request is sent once more.
    github.clock.skewMs = -3_600_000;
    github.faults.add({ path: /^\/app/, kind: 'slow', delayMs: 3_000 });
    const start = performance.now();
    const patient = connectorTo(database, github, 20_000);
    const failure = failureOf(check(app.theirs, patient)).finally(() => {
      github.clock.skewMs = 0;
    });
    expect(await failure).toMatchObject({ code: 'timeout' });
    expect(performance.now() - start).toBeGreaterThan(4_500);
    expect(performance.now() - start).toBeLessThan(5_900);
  }, 15_000);
});
