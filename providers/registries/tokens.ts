import { failure, outageOf, silence } from './failures.ts';
import { basic, fieldOf, jsonIn, type Wire } from './wire.ts';

/** The credential: a name and a password, or a token that clouds call a refresh token and Docker an identity token. */
export type Login = { username: string; password: string } | { identityToken: string };

/** `expiresAt` in ms, by our clock. */
export type Token = { token: string; expiresAt: number };

/** The protocol's default if the answer names no lifetime. */
const usualLifeSeconds = 60;

export type TokenRequest = {
  realm: URL;
  service: string | undefined;
  /** `repository:acme/app:pull,push`. Without scopes, the token proves the login alone. */
  scopes: string[];
  login: Login;
};

/**
 * Requests a token. Undefined if the token service rejects the credential. Follows no redirect, because the next host
 * was never checked. The body must be JSON with any content type: some services label it `text/plain`. A token does not
 * prove that everything requested was granted.
 */
export async function requestToken(wire: Wire, request: TokenRequest): Promise<Token | undefined> {
  const { realm } = request;
  const askedAt = Date.now();
  const response = await send(wire, request).catch((error: unknown) => {
    throw silence(error, 'token_unusable');
  });
  const { status, headers } = response;
  const body = jsonIn(await response.text());
  const outage = outageOf(realm.host, { status, headers, codes: limitsIn(body) });
  if (outage) throw outage;
  // OAuth rejects with status 400.
  if (status === 401 || status === 403 || fieldOf(body, 'error') === 'invalid_grant') return undefined;

  const token = [fieldOf(body, 'token'), fieldOf(body, 'access_token')].find(isToken);
  if (status !== 200 || token === undefined) {
    throw failure('token_unusable', `${realm.host} answered no token (${status})`, { status });
  }
  const seconds = Number(fieldOf(body, 'expires_in'));
  return { token, expiresAt: askedAt + (seconds > 0 && seconds < 1e8 ? seconds : usualLifeSeconds) * 1000 };
}

function send(wire: Wire, { realm, service, scopes, login }: TokenRequest): Promise<Response> {
  const fields: [string, string][] = [
    ...(service === undefined ? [] : [['service', service] satisfies [string, string]]),
    ...scopes.map((scope): [string, string] => ['scope', scope]),
  ];
  const how = { redirect: 'manual', signal: wire.signal ?? null } as const;
  if ('identityToken' in login) {
    const form = [...fields, ['grant_type', 'refresh_token'], ['client_id', 'fairlead']] as [string, string][];
    return wire.fetch(realm, {
      ...how,
      method: 'POST',
      headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams([...form, ['refresh_token', login.identityToken]]).toString(),
    });
  }
  const url = new URL(realm);
  for (const [name, value] of fields) url.searchParams.append(name, value);
  return wire.fetch(url, { ...how, headers: { accept: 'application/json', authorization: basic(login) } });
}

/** The token is sent unchanged in a header. */
function isToken(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]{1,32768}$/.test(value);
}

function limitsIn(body: unknown): string[] {
  const errors = fieldOf(body, 'errors');
  return Array.isArray(errors) && fieldOf(errors[0], 'code') === 'TOOMANYREQUESTS' ? ['TOOMANYREQUESTS'] : [];
}
