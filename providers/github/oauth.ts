import { randomBytes } from 'node:crypto';
import type { ProviderErrorCode } from '../../domain/ops/provider-failures.ts';
import { ProviderError } from '../failure.ts';
import type { Wire } from './client.ts';
import { type Call, failureOf, silenceOf } from './failures.ts';
import { messageIn, throughGate } from './gate.ts';
import type { Leaving } from './traffic.ts';

export type CodeExchange = {
  clientId: string;
  clientSecret: string;
  code: string;
  redirectUri?: string | undefined;
  /** The PKCE verifier, if the sign-in started with a challenge. */
  codeVerifier?: string | undefined;
};

/** GitHub returns 200 for a rejection, too, and names the error in the body. */
const refusals = new Map<unknown, ProviderErrorCode>([
  ['bad_verification_code', 'oauth_code_refused'],
  ['incorrect_client_credentials', 'client_credentials_rejected'],
  ['redirect_uri_mismatch', 'redirect_uri_mismatch'],
]);

const sentences: Partial<Record<ProviderErrorCode, string>> = {
  oauth_code_refused: 'GitHub does not accept the code of the sign-in: it was used, is too old, or belongs elsewhere',
  client_credentials_rejected: 'GitHub does not accept the App’s client id and secret',
  redirect_uri_mismatch: 'The callback address is not one of the App’s',
  unexpected: 'GitHub answered something unexpected',
};

/**
 * Exchanges the code of a sign-in for the person's token, on the web host. Drops the refresh token, because Fairlead
 * never acts as this person later.
 */
export async function exchangeCode(wire: Wire, wanted: CodeExchange): Promise<{ token: string }> {
  const { clientId, clientSecret, code, redirectUri, codeVerifier } = wanted;
  const secrets = [clientSecret, code, ...(codeVerifier === undefined ? [] : [codeVerifier])];
  const call: Call = { as: 'nobody', method: 'POST', secrets, now: wire.now };
  const form = new URLSearchParams({ client_id: clientId, client_secret: clientSecret, code });
  if (redirectUri !== undefined) form.set('redirect_uri', redirectUri);
  if (codeVerifier !== undefined) form.set('code_verifier', codeVerifier);

  let answer: Response;
  let text: string;
  try {
    const gate = { ...wire, traffic: wire.webTraffic };
    answer = await throughGate(gate, leavingOf(wire), `${wire.host.web}/login/oauth/access_token`, {
      method: 'POST',
      headers: {
        accept: 'application/json',
        'content-type': 'application/x-www-form-urlencoded',
        'user-agent': wire.userAgent,
      },
      body: form.toString(),
    });
    text = await answer.text();
  } catch (error) {
    throw error instanceof ProviderError ? error : silenceOf(error, call);
  }
  const { status, headers } = answer;
  if (status !== 200) throw failureOf({ status, headers: Object.fromEntries(headers), message: '' }, call);
  return { token: tokenIn(text) };
}

/** GitHub counts these requests against no installation and no GitHub App. */
function leavingOf({ urgent }: Wire): Leaving {
  return { effect: 'control', urgent };
}

function tokenIn(text: string): string {
  const { access_token: token, error } = parse(text);
  if (typeof token === 'string' && token !== '' && error === undefined) return token;
  const code = refusals.get(error) ?? 'unexpected';
  const message = sentences[code] ?? code;
  // Without an error name, GitHub may still have used up the code.
  throw new ProviderError({ provider: 'github', code, status: 200, message, ambiguous: typeof error !== 'string' });
}

function parse(text: string): Record<string, unknown> {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

type Client = { clientId: string; clientSecret: string };

/** Revokes a person's token. A token that no longer exists counts as revoked. */
export async function revokeUserToken(wire: Wire, asked: Client & { token: string }): Promise<void> {
  const refusal = await askAboutToken(wire, 'DELETE', asked);
  if (refusal && refusal.status !== 404 && refusal.status !== 422) throw refusal;
}

/**
 * Returns whether GitHub accepts the client id and secret. Asks about a token that does not exist: GitHub returns 404
 * or 422 to a valid client, 401 to others.
 */
export async function isClientAccepted(wire: Wire, client: Client): Promise<boolean> {
  const refusal = await askAboutToken(wire, 'POST', { ...client, token: `ghu_${randomBytes(18).toString('hex')}` });
  if (!refusal || refusal.status === 404 || refusal.status === 422) return true;
  if (refusal.status === 401) return false;
  throw refusal;
}

/** Returns the rejection, if it is one. Throws if there was no answer. */
async function askAboutToken(
  wire: Wire,
  method: 'DELETE' | 'POST',
  { clientId, clientSecret, token }: Client & { token: string },
): Promise<ProviderError | undefined> {
  const call: Call = { as: 'nobody', method, secrets: [clientSecret, token], now: wire.now };
  let answer: Response;
  try {
    answer = await throughGate(
      wire,
      leavingOf(wire),
      `${wire.host.api}/applications/${encodeURIComponent(clientId)}/token`,
      {
        method,
        headers: {
          accept: 'application/vnd.github+json',
          authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`,
          'content-type': 'application/json',
          'user-agent': wire.userAgent,
          'x-github-api-version': wire.host.apiVersion,
        },
        body: JSON.stringify({ access_token: token }),
      },
    );
  } catch (error) {
    throw error instanceof ProviderError ? error : silenceOf(error, call);
  }
  const { status, headers } = answer;
  // A proxy that accepts everything is not GitHub.
  if (status === (method === 'DELETE' ? 204 : 200)) return undefined;
  const message = messageIn(parse(await answer.text()));
  return failureOf({ status, headers: Object.fromEntries(headers), message }, call);
}
