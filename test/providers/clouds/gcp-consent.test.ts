import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { createGoogleConsent } from '../../../providers/clouds/gcp/gcp-consent.ts';
import { type GoogleStandIn, startGoogle } from '../../../stand-ins/google/stand-in.ts';
import { fetchTo, loopbackCertificate } from '../../support/programs/cloud-tls.ts';

const client = {
  clientId: '77.apps.googleusercontent.com',
  clientSecret: 'GOCSPX-1',
  redirectUri: 'https://fairlead.test/v1/cloud-accounts/gcp/callback',
};
const pkce = 'v'.repeat(43);
const cloudPlatform = 'https://www.googleapis.com/auth/cloud-platform';
/** For a consent with nothing to discard. */
const keepNone = async () => expect.unreachable();

let google: GoogleStandIn;
let consent: ReturnType<typeof createGoogleConsent>;

beforeAll(async () => {
  google = await startGoogle({ certificate: loopbackCertificate });
});
afterAll(() => google.close());

beforeEach(() => {
  google.state.clients.set(client.clientId, { secret: client.clientSecret, redirectUris: [client.redirectUri] });
  consent = consentOf(client);
});

afterEach(() => {
  google.faults.clear();
  google.state.consents.clear();
});

function consentOf(asked: typeof client) {
  const endpoints = { oauth: google.url };
  return createGoogleConsent(asked, { fetch: fetchTo(google.url), timeoutMs: 5000, now: Date.now, endpoints });
}

/** A person's consent in the browser, on the page that Fairlead links to. */
function agree({ scope, lasting = true }: { scope?: string; lasting?: boolean } = {}): string {
  const { searchParams } = new URL(consent.consentUrl({ state: 'st4te', pkce }));
  const code = `4/${google.state.codes.size}${Math.random()}`;
  google.state.codes.set(code, {
    clientId: searchParams.get('client_id') ?? '',
    redirectUri: searchParams.get('redirect_uri') ?? '',
    challenge: searchParams.get('code_challenge') ?? '',
    email: 'ann@acme.test',
    scope: scope ?? searchParams.get('scope') ?? '',
    lasting,
  });
  return code;
}

const code = (value: string) => expect.objectContaining({ provider: 'gcp', code: value });

test('links to Google’s consent page for lasting access with only the hash of the verifier', () => {
  const url = new URL(consent.consentUrl({ state: 'st4te', pkce }));

  expect(url.origin).toBe('https://accounts.google.com');
  expect(Object.fromEntries(url.searchParams)).toMatchObject({
    access_type: 'offline',
    prompt: expect.stringContaining('consent'),
    state: 'st4te',
    code_challenge: createHash('sha256').update(pkce).digest('base64url'),
    code_challenge_method: 'S256',
  });
  expect(url.href).not.toContain(pkce);
  expect(url.href).not.toContain(client.clientSecret);
});

test('exchanges a code once for a lasting consent of that person', async () => {
  const given = agree();

  const redeemed = await consent.redeemCode({ code: given, pkce }, keepNone);

  expect(redeemed.email).toBe('ann@acme.test');
  expect(google.state.consents.has(redeemed.refreshToken)).toBe(true);
  await expect(consent.redeemCode({ code: given, pkce }, keepNone)).rejects.toEqual(code('oauth_code_refused'));
});

test('rejects a code of another browser, redirect URL or client by name', async () => {
  const refused = expect(consent.redeemCode({ code: agree(), pkce: 'w'.repeat(43) }, keepNone)).rejects;
  await refused.toEqual(code('oauth_code_refused'));

  const elsewhere = consentOf({ ...client, redirectUri: 'https://elsewhere.test/callback' });
  await expect(elsewhere.redeemCode({ code: agree(), pkce }, keepNone)).rejects.toEqual(code('redirect_uri_mismatch'));

  const stranger = consentOf({ ...client, clientSecret: 'GOCSPX-other' });
  await expect(stranger.redeemCode({ code: agree(), pkce }, keepNone)).rejects.toEqual(
    code('client_credentials_rejected'),
  );
});

test('passes an incomplete consent to the caller instead of keeping or revoking it', async () => {
  const discard = vi.fn(async () => {});
  const half = (scope: string, lasting = true) =>
    consent.redeemCode({ code: agree({ scope, lasting }), pkce }, discard);
  await expect(half('openid email')).rejects.toEqual(code('consent_incomplete'));
  await expect(half(`openid ${cloudPlatform}`)).rejects.toEqual(code('consent_incomplete'));
  const [unticked, nameless] = google.state.consents.keys();
  expect(discard.mock.calls).toEqual([
    [{ refreshToken: unticked, email: 'ann@acme.test' }],
    [{ refreshToken: nameless, email: undefined }],
  ]);

  await expect(half(`openid email ${cloudPlatform}`, false)).rejects.toEqual(code('consent_incomplete'));
  expect(discard).toHaveBeenCalledTimes(2);
});

test('counts a consent that no longer exists as revoked', async () => {
  const { refreshToken } = await consent.redeemCode({ code: agree(), pkce }, keepNone);

  await consent.revoke(refreshToken);
  expect(google.state.consents.size).toBe(0);
  await consent.revoke(refreshToken);

  google.faults.add({ path: /revoke$/, kind: 'status', status: 503 });
  await expect(consent.revoke(refreshToken)).rejects.toEqual(code('unavailable'));
});
