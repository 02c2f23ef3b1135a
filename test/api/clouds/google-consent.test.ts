import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createConsents } from '../../../broker/clouds/google-consent.ts';
import { sealedSecrets } from '../../../db/secrets/sealed-secrets.ts';
import { type GoogleStandIn, startGoogle } from '../../../stand-ins/google/stand-in.ts';
import { publicUrl, startApi, type TestApi } from '../../support/api.ts';
import { createBrowser, type Shown } from '../../support/browser.ts';
import type { Client } from '../../support/client.ts';
import { googleClient } from '../../support/fakes/clouds.ts';
import { keyring } from '../../support/hooks.ts';
import { fetchTo, loopbackCertificate } from '../../support/programs/cloud-tls.ts';
import { seed } from '../../support/scenes/seed.ts';
import { addOrg, addProject, addToken, addUser } from '../../support/scenes/tenants.ts';

type View = { id: string; status: string; config: { email: string }; project_id: string | null };

let google: GoogleStandIn;
let api: TestApi;
let orgId: string;
let projectId: string;
let client: Client;
let browser: ReturnType<typeof createBrowser>;

beforeAll(async () => {
  google = await startGoogle({ certificate: loopbackCertificate });
  const redirectUris = [`${publicUrl}/v1/cloud-accounts/gcp/callback`];
  google.state.clients.set(googleClient.clientId, { secret: googleClient.clientSecret, redirectUris });
  const deps = { fetch: fetchTo(google.url), timeoutMs: 2_000, now: Date.now, endpoints: { oauth: google.url } };
  api = await startApi({ googleConsents: createConsents({ ...deps, google: googleClient, publicUrl }) });
});
afterAll(async () => {
  await api?.stop();
  await google?.close();
});
beforeEach(async () => {
  orgId = await addOrg(api.database, `Acme <${Math.random()}>`);
  projectId = await addProject(api.database, orgId);
  client = api.as((await addToken(api.database, { orgId, projectId })).secret);
  browser = createBrowser();
  google.faults.clear();
  google.ledger.length = 0;
  google.state.consents.clear();
});

const start = (body: object = {}) =>
  client.ask<{ url: string }>('POST', '/v1/cloud-accounts/gcp/start', { project_id: projectId, ...body });
/** Links in responses begin with the public URL. */
const visit = (url: string, by = browser) => by.visit(url.replace(publicUrl, api.url));
const accounts = () => client.ask<View[]>('GET', '/v1/cloud-accounts');

/** Opens the link and continues to Google. */
async function toGoogle(body: object = {}, by = browser): Promise<URL> {
  const asked = await visit((await start(body)).url, by);
  const sent = await by.press(asked, 'Continue');
  expect(sent.status).toBe(303);
  return new URL(sent.location ?? '');
}

/** The person agrees at Google. Returns the URL to which Google redirects the browser. */
const agree: GoogleStandIn['agree'] = (page, agreement) => google.agree(page, agreement);

const codesTaken = () => google.ledger.filter(({ form }) => form.get('grant_type') === 'authorization_code').length;

function expectPage(shown: Shown, status: number, text: RegExp): void {
  expect({ status: shown.status, text: shown.text }).toEqual({ status, text: expect.stringMatching(text) });
  expect(shown.headers.get('content-security-policy')).toContain(`default-src 'none'`);
  expect(shown.headers.get('cache-control')).toBe('no-store');
}

describe('a consent', () => {
  test('creates an account with the sealed refresh token', async () => {
    const shown = await visit(agree(await toGoogle({ display_name: 'Images' })));
    expectPage(shown, 200, /ann@acme\.test/);
    const [account] = await accounts();
    expect(account).toMatchObject({
      kind: 'gcp',
      auth_mode: 'oauth',
      display_name: 'Images',
      status: 'active',
      project_id: projectId,
      config: { email: 'ann@acme.test' },
    });
    const [refreshToken = ''] = google.state.consents.keys();
    const secrets = sealedSecrets(api.database.reader, keyring);
    expect(await secrets.active({ cloudAccountId: account?.id ?? '' }, 'gcp_refresh_token')).toBe(refreshToken);
    const rows = JSON.stringify([
      await api.database.reader('google_consents'),
      await api.database.reader('audit_events'),
    ]);
    expect(rows + shown.text + JSON.stringify(account)).not.toContain(refreshToken);
    const [row] = await api.database.reader('google_consents').where({ org_id: orgId });
    expect(row).toMatchObject({ sealed_verifier: null, landed_at: expect.any(Number) });
    const told = await api.database.reader('audit_events').where({ target: account?.id ?? '' });
    expect(told).toMatchObject([{ action: 'cloud_account.created', actor: expect.stringMatching(/^token:/) }]);
  });

  test('names the organization on its page, and belongs to one browser', async () => {
    const { url } = await start();
    const asked = await visit(url);
    expectPage(asked, 200, /Acme &#60;/);
    expect(asked.headers.get('content-security-policy')).toContain('https://accounts.google.com');
    // Opening the link starts nothing: another browser can still continue.
    const other = createBrowser();
    const sent = await other.press(await visit(url, other), 'Continue');
    expect(sent.location).toMatch(/^https:\/\/accounts\.google\.com\//);
    expect(sent.headers.get('set-cookie')).toMatch(/^__Host-fairlead_.*HttpOnly; SameSite=Lax.*Secure$/);
    expectPage(await browser.press(asked, 'Continue'), 400, /Another browser/);
    const forged = await other.visit(`${api.url}/v1/cloud-accounts/gcp/begin`, {
      form: { ticket: new URL(url).searchParams.get('ticket') ?? '' },
      origin: 'https://attacker.example.com',
    });
    expect(forged.status).toBe(403);
  });

  test('skips the page for the person who started it, and does not let a colleague into that flow', async () => {
    const { session, id } = await addUser(api.database, orgId, 'admin');
    const mine = await api
      .as(session)
      .ask<{ url: string }>('POST', '/v1/cloud-accounts/gcp/start', { project_id: projectId });
    const open = (token: string) =>
      fetch(mine.url.replace(publicUrl, api.url), {
        redirect: 'manual',
        headers: { accept: 'text/html', cookie: `__Host-fairlead_session=${token}` },
      });
    const colleague = await addUser(api.database, orgId, 'admin');
    expect((await open(colleague.session)).headers.get('location')).toBeNull();
    const answer = await open(session);
    expect(answer.headers.get('location')).toMatch(/^https:\/\/accounts\.google\.com\//);
    const [row] = await api.database.reader('google_consents').where({ org_id: orgId });
    expect(row).toMatchObject({ created_by: `user:${id}`, browser_hash: expect.stringMatching(/^[0-9a-f]{64}$/) });
  });

  test('that a platform started shows a signed-in member the names of the project and the organization', async () => {
    const { session } = await addUser(api.database, orgId, 'admin');
    const named = { name: 'Shop & Co' };
    await api.database.write((trx) => trx('projects').where({ id: projectId }).update(named));
    const { url } = await start();
    const cookie = `__Host-fairlead_session=${session}`;
    const opened = await fetch(url.replace(publicUrl, api.url), {
      redirect: 'manual',
      headers: { accept: 'text/html', cookie },
    });
    expect(opened.headers.get('location')).toBeNull();
    expect(opened.status).toBe(200);
    expect(await opened.text()).toMatch(/the project Shop &#38; Co of the organization Acme &#60;/);
    const [row] = await api.database.reader('google_consents').where({ org_id: orgId });
    expect(row).toMatchObject({ browser_hash: null, state_hash: null });
  });

  test('is accepted once, even if the response arrives several times', async () => {
    const answer = agree(await toGoogle());
    const shown = await Promise.all([visit(answer), visit(answer), visit(answer)]);
    expect(shown.map(({ status }) => status).sort()).toEqual([200, 400, 400]);
    expectPage(await visit(answer), 400, /already used/);
    expect(codesTaken()).toBe(1);
    expect(await accounts()).toHaveLength(1);
  });

  test('is rejected in another browser, and stays valid in its own', async () => {
    const answer = agree(await toGoogle());
    expectPage(await visit(answer, createBrowser()), 400, /Another browser/);
    expect(codesTaken()).toBe(0);
    expectPage(await visit(answer), 200, /connected/);
  });

  test('is rejected with a cookie that a sibling host can plant', async () => {
    const asked = await visit((await start()).url);
    const sent = await browser.press(asked, 'Continue');
    const [name = '', secret = ''] = sent.headers.getSetCookie()[0]?.split(/[=;]/) ?? [];
    expect(name).toMatch(/^__Host-/);
    const callback = agree(new URL(sent.location ?? '')).replace(publicUrl, api.url);
    const come = (cookie: string) => fetch(callback, { headers: { accept: 'text/html', cookie } });
    expect((await come(`${name.replace('__Host-', '')}=${secret}`)).status).toBe(400);
    expect(codesTaken()).toBe(0);
    // A second cookie of the same name does not lock the person out.
    expect((await come(`${name}=planted; ${name}=${secret}; ${name}=again`)).status).toBe(200);
  });

  test('is rejected for a victim who follows an attacker’s link', async () => {
    // The attacker starts the flow and sends the address of Google's page to the victim, who agrees there.
    const attackers = await toGoogle();
    const victim = createBrowser();
    expectPage(await visit(agree(attackers, { email: 'victim@acme.test' }), victim), 400, /Another browser/);
    expect(google.state.consents.size).toBe(0);
    expect(await accounts()).toEqual([]);
  });

  test('is rejected if the state is missing, unknown or expired, and so is an expired link', async () => {
    const { url } = await start();
    const answer = agree(await toGoogle());
    const past = { expires_at: Date.now() - 1 };
    await api.database.write((trx) => trx('google_consents').where({ org_id: orgId }).update(past));
    expectPage(await visit(answer), 400, /has expired/);
    expectPage(await visit(url), 400, /has expired/);
    const callback = `${publicUrl}/v1/cloud-accounts/gcp/callback`;
    expectPage(await visit(`${callback}?code=x`), 400, /has no <code>state<\/code>/);
    expectPage(await visit(`${callback}?code=x&state=unknown`), 400, /link is unknown/);
    expectPage(await visit(`${publicUrl}/v1/cloud-accounts/gcp/start?ticket=unknown`), 400, /link is unknown/);
    expect(google.ledger).toEqual([]);
    expect(await accounts()).toEqual([]);
  });

  test('creates nothing if the person declines', async () => {
    const at = await toGoogle();
    const state = at.searchParams.get('state') ?? '';
    const answer = `${publicUrl}/v1/cloud-accounts/gcp/callback?${new URLSearchParams({ state, error: 'access_denied' })}`;
    expectPage(await visit(answer), 200, /Google account not connected/);
    expectPage(await visit(agree(at)), 400, /already used/);
    expect(google.ledger).toEqual([]);
    expect(await accounts()).toEqual([]);
  });

  test('creates nothing without the Google Cloud scope or with an invalid code', async () => {
    expectPage(
      await visit(agree(await toGoogle(), { email: 'new@acme.test', scope: 'openid email' })),
      422,
      /did not let Google Cloud be used/,
    );
    const at = await toGoogle({}, browser);
    const answer = new URL(agree(at));
    answer.searchParams.set('code', '4/forged');
    expectPage(await visit(answer.href), 422, /code of the consent/);
    expect(await accounts()).toEqual([]);
    expect(google.state.consents.size).toBe(0);
  });

  test.each([
    ['without the Google Cloud scope', 'openid email', /did not let Google Cloud be used/],
    ['without an email address', 'openid https://www.googleapis.com/auth/cloud-platform', /whose consent/],
    ['with neither', 'openid', /did not let Google Cloud be used/],
  ])('%s never revokes a consent that an account here uses', async (_, scope, text) => {
    await api.database.write((trx) => trx('cloud_accounts').update({ deleted_at: Date.now() }));
    const at = await toGoogle();
    expectPage(await visit(agree(at, { scope })), 422, text);
    expect(google.state.consents.size).toBe(0);

    expectPage(await visit(agree(await toGoogle())), 200, /connected/);
    const [working = ''] = google.state.consents.keys();
    expectPage(await visit(agree(await toGoogle(), { scope })), 422, text);
    expect([...google.state.consents.keys()]).toContain(working);
  });

  test('creates nothing during an outage at Google, and says so', async () => {
    google.faults.add({ method: 'POST', path: /^\/token$/, kind: 'status', status: 503 });
    expectPage(await visit(agree(await toGoogle())), 502, /Google failed/);
    expect(await accounts()).toEqual([]);
  });

  test('is revoked if the project was deleted in the meantime', async () => {
    const answer = agree(await toGoogle(), { email: 'late@acme.test' });
    await api.database.write((trx) => trx('projects').where({ id: projectId }).update({ deleted_at: Date.now() }));
    expectPage(await visit(answer), 400, /project was deleted/);
    expect(google.state.consents.size).toBe(0);
    expect(await api.database.reader('cloud_accounts').where({ org_id: orgId })).toEqual([]);
  });

  test('requires the operator’s OAuth client', async () => {
    const deps = { fetch: fetchTo(google.url), timeoutMs: 2_000, now: Date.now };
    const without = await startApi({ googleConsents: createConsents({ ...deps, google: undefined, publicUrl }) });
    try {
      const body = { org_id: await addOrg(without.database) };
      const answer = await without.admin.send('POST', '/v1/cloud-accounts/gcp/start', body);
      expect(answer).toMatchObject({ status: 409, body: { code: 'google_oauth_missing' } });
    } finally {
      await without.stop();
    }
  });
});

describe('a consent that has ended', () => {
  const connect = async () => {
    expectPage(await visit(agree(await toGoogle())), 200, /connected/);
    return (await accounts())[0]?.id ?? '';
  };

  test('is renewed for the same account with a new access', async () => {
    const id = await connect();
    const ended = { status: 'action_required' as const, status_reason: 'consent_ended' };
    await api.database.write((trx) => trx('cloud_accounts').where({ id }).update(ended));
    const where = await api.database.reader('cloud_accounts').where({ id }).first();
    const projectId = where?.project_id ?? (await addProject(api.database, where?.org_id ?? ''));
    const registry = await seed(api.database).registry(
      { orgId: where?.org_id ?? '', projectId },
      { kind: 'gar', cloud_account_id: id },
    );
    google.state.consents.clear();
    expectPage(await visit(agree(await toGoogle({ cloud_account_id: id }))), 200, /connected/);
    // The registry that inherits it is verified immediately.
    const commands = await api.database.reader('commands').where({ workflow_id: `verify/${registry}` });
    expect(commands).toHaveLength(1);
    expect(await accounts()).toMatchObject([{ id, status: 'active', status_reason: null }]);
    const [refreshToken] = google.state.consents.keys();
    const secrets = sealedSecrets(api.database.reader, keyring);
    expect(await secrets.active({ cloudAccountId: id }, 'gcp_refresh_token')).toBe(refreshToken);
    expect((await api.database.reader('cloud_accounts').where({ id }).first())?.epoch).toBe(1);
  });

  test('is not renewed by another Google account, and Fairlead revokes that consent', async () => {
    const id = await connect();
    const answer = agree(await toGoogle({ cloud_account_id: id }), { email: 'bob@acme.test' });
    expectPage(await visit(answer), 422, /Sign in to Google as ann@acme\.test/);
    expect([...google.state.consents.values()].map(({ email }) => email)).toEqual(['ann@acme.test']);
  });

  test('cannot be renewed by another organization or changed to another Google account', async () => {
    const id = await connect();
    const stranger = api.as((await addToken(api.database, { orgId: await addOrg(api.database) })).secret);
    const path = '/v1/cloud-accounts/gcp/start';
    expect((await stranger.send('POST', path, { cloud_account_id: id })).status).toBe(404);
    const change = await client.send('PATCH', `/v1/cloud-accounts/${id}`, { config: { email: 'bob@acme.test' } });
    expect(change.status).toBe(400);
  });
});
