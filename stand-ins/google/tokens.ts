import { createHash, randomBytes } from 'node:crypto';
import { compactVerify, decodeJwt } from 'jose';
import type { CloudAnswer, CloudRequest } from '../cloud-server.ts';
import type { State } from './state.ts';

const hour = 3600;

/** https://google.aip.dev/193 */
export function refused(code: number, status: string, reason?: string): CloudAnswer {
  const details = reason ? [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason }] : [];
  return { status: code, body: { error: { code, status, message: `Refused: ${status}`, details } } };
}

function oauthError(error: string, description: string, status = 400): CloudAnswer {
  return { status, body: { error, error_description: description } };
}

export function identityOf(state: State, { headers }: CloudRequest, now: number) {
  const [, token = ''] = /^Bearer (.+)$/.exec(headers.authorization ?? '') ?? [];
  const held = state.tokens.get(token);
  return held && held.expiresAt > now ? held : undefined;
}

function issue(state: State, identity: string, scopes: string[], expiresAt: number): string {
  const token = `ya29.${randomBytes(24).toString('base64url')}`;
  state.tokens.set(token, { identity, scopes, expiresAt });
  return token;
}

/** The Security Token Service: exchanges a token of a trusted issuer for one of Google's, with the same end. */
export async function exchange(state: State, { form, headers }: CloudRequest, now: number): Promise<CloudAnswer> {
  if (headers.authorization) return oauthError('invalid_request', 'Authorization is not expected here');
  const audience = form.get('audience') ?? '';
  const name = audience.replace('//iam.googleapis.com/', '');
  const provider = state.providers.get(name);
  if (!provider || provider.disabled) {
    return oauthError('invalid_target', 'The target service indicated by the "audience" parameters is invalid.');
  }
  const subjectToken = form.get('subject_token') ?? '';
  const claims = await compactVerify(subjectToken, provider.publicKey).then(
    () => decodeJwt(subjectToken),
    () => undefined,
  );
  if (!claims || claims.iss !== provider.issuer) {
    return oauthError('invalid_grant', 'Error in verifying the ID Token’s signature or issuer.');
  }
  if (![audience, `https:${audience}`].includes(String(claims.aud))) {
    return oauthError('invalid_grant', 'The audience in ID Token does not match the expected audience.');
  }
  const ends = (claims.exp ?? 0) * 1000;
  if (ends <= now || (claims.iat ?? 0) * 1000 > now + 60_000) {
    return oauthError('invalid_grant', 'ID Token issued at that time is stale to sign-in.');
  }
  if (provider.lets && !provider.lets(claims)) {
    return oauthError('unauthorized_client', 'The given credential is rejected by the attribute condition.');
  }
  const seconds = Math.min(hour, Math.floor((ends - now) / 1000));
  const scopes = (form.get('scope') ?? '').split(' ');
  const access = issue(state, `principal://${name}/${claims.sub}`, scopes, now + seconds * 1000);
  return { status: 200, body: { access_token: access, expires_in: seconds, token_type: 'Bearer' } };
}

/** A set contains every subject of a provider. */
function isAmong(member: string, identity: string): boolean {
  const [, everybody] = /^principalSet:(.*\/)\*$/.exec(member) ?? [];
  return everybody === undefined ? member === identity : identity.startsWith(`principal:${everybody}`);
}

export function generateAccessToken(state: State, request: CloudRequest, now: number): CloudAnswer {
  const holder = identityOf(state, request, now);
  if (!holder) return refused(401, 'UNAUTHENTICATED');
  const [, email = ''] = /serviceAccounts\/([^:/]+):/.exec(decodeURIComponent(request.path)) ?? [];
  const account = state.serviceAccounts.get(email);
  if (!account || account.disabled || !account.impersonators.some((one) => isAmong(one, holder.identity))) {
    return refused(403, 'PERMISSION_DENIED', 'IAM_PERMISSION_DENIED');
  }
  const lifetime = Number(/^(\d+)s$/.exec(String(request.json['lifetime']))?.[1] ?? hour);
  if (lifetime > (account.longest ?? hour) || lifetime < 1) return refused(400, 'INVALID_ARGUMENT');
  const ends = now + lifetime * 1000;
  const scopes = Array.isArray(request.json['scope']) ? request.json['scope'] : [];
  const accessToken = issue(state, `serviceAccount:${email}`, scopes, ends);
  return { status: 200, body: { accessToken, expireTime: new Date(ends).toISOString() } };
}

/** OAuth's token endpoint: for the signed claim of a service account, the code of a person, or a refresh token. */
export async function token(state: State, { form }: CloudRequest, now: number): Promise<CloudAnswer> {
  if (form.get('grant_type') === 'urn:ietf:params:oauth:grant-type:jwt-bearer') {
    return forSignedClaim(state, form.get('assertion') ?? '', now);
  }
  const client = state.clients.get(form.get('client_id') ?? '');
  if (!client || client.secret !== form.get('client_secret')) {
    return oauthError('invalid_client', 'The OAuth client was not found.', 401);
  }
  if (form.get('grant_type') === 'authorization_code') return forCode(state, form, now);
  const consent = state.consents.get(form.get('refresh_token') ?? '');
  if (!consent || consent.clientId !== form.get('client_id')) {
    return oauthError('invalid_grant', 'Token has been expired or revoked.');
  }
  const access = issue(state, `user:${consent.email}`, consent.scope.split(' '), now + hour * 1000);
  return { status: 200, body: { access_token: access, expires_in: hour, scope: consent.scope, token_type: 'Bearer' } };
}

async function forSignedClaim(state: State, assertion: string, now: number): Promise<CloudAnswer> {
  const claims = decodeJwt(assertion);
  const account = state.serviceAccounts.get(String(claims.iss));
  if (!account || account.disabled) return oauthError('invalid_grant', 'Invalid grant: account not found');
  const fits = await Promise.all(
    account.keys.map((key) =>
      compactVerify(assertion, key).then(
        () => true,
        () => false,
      ),
    ),
  );
  if (!fits.includes(true)) return oauthError('invalid_grant', 'Invalid JWT Signature.');
  const { iat = 0, exp = 0, aud } = claims;
  const isTimely = Math.abs(iat * 1000 - now) < 10 * 60_000 && exp * 1000 > now;
  if (!isTimely || aud !== 'https://oauth2.googleapis.com/token') {
    return oauthError('invalid_grant', 'Invalid JWT: Token must be a short-lived token and in a reasonable timeframe.');
  }
  const scopes = String(claims['scope']).split(' ');
  const access = issue(state, `serviceAccount:${claims.iss}`, scopes, now + (hour - 1) * 1000);
  return { status: 200, body: { access_token: access, expires_in: hour - 1, token_type: 'Bearer' } };
}

function forCode(state: State, form: URLSearchParams, now: number): CloudAnswer {
  const code = form.get('code') ?? '';
  const given = state.codes.get(code);
  state.codes.delete(code);
  const challenge = createHash('sha256')
    .update(form.get('code_verifier') ?? '')
    .digest('base64url');
  if (!given || given.clientId !== form.get('client_id') || given.challenge !== challenge) {
    return oauthError('invalid_grant', 'Malformed auth code.');
  }
  if (given.redirectUri !== form.get('redirect_uri')) return oauthError('redirect_uri_mismatch', 'Bad Request');

  const refreshToken = `1//${randomBytes(18).toString('base64url')}`;
  const { clientId, email, scope } = given;
  if (given.lasting) state.consents.set(refreshToken, { clientId, email, scope });
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return {
    status: 200,
    body: {
      access_token: issue(state, `user:${email}`, scope.split(' '), now + hour * 1000),
      expires_in: hour,
      scope,
      token_type: 'Bearer',
      id_token: `${part({ alg: 'RS256' })}.${part(scope.split(' ').includes('email') ? { email, email_verified: true } : {})}.c2ln`,
      ...(given.lasting && { refresh_token: refreshToken }),
    },
  };
}

/** Revoking one consent ends all consents of that person to that client. */
export function revoke(state: State, { form }: CloudRequest): CloudAnswer {
  const ended = state.consents.get(form.get('token') ?? '');
  if (!ended) return oauthError('invalid_token', 'Token expired or revoked');
  for (const [token, { clientId, email }] of state.consents) {
    if (clientId === ended.clientId && email === ended.email) state.consents.delete(token);
  }
  return { status: 200, body: {} };
}
