import { createHash, randomBytes } from 'node:crypto';
import type { Answer } from '../answers.ts';
import { clientSecretsOf } from '../credentials.ts';
import { hidden, html, page, redirectTo } from '../html.ts';
import type { Account, App, State } from '../state.ts';

const eightHours = 28_800;
const sixMonths = 15_811_200;
const tenMinutes = 600_000;

/**
 * The two addresses of the web host that authorize a user. The browser's address authorizes the signed-in person at
 * once, unless the person must be asked. The other one exchanges a code or a refresh token for tokens. GitHub's OpenAPI
 * document does not contain them.
 */
export function answerOAuth(
  state: State,
  call: { method: string; path: string; query: URLSearchParams; body: Record<string, unknown> },
  askToAuthorize: boolean,
): Answer | undefined {
  const name = `${call.method} ${call.path}`;
  if (name === 'GET /login/oauth/authorize') return authorize(state, call.query, askToAuthorize);
  if (name === 'POST /login/oauth/authorize') return decide(state, call.body);
  // A refusal has status 200 too, and names its error in the body.
  if (name === 'POST /login/oauth/access_token') return { status: 200, body: exchange(state, call.body) };
  return undefined;
}

export function addCode(
  state: State,
  app: App,
  { user, challenge, redirectUri }: { user: Account; challenge: string | undefined; redirectUri: string | undefined },
): string {
  const code = randomBytes(10).toString('hex');
  state.grants.add(grantOf(app, user));
  state.oauthCodes.set(code, { appId: app.appId, user, challenge, redirectUri, expiresAt: state.now() + tenMinutes });
  return code;
}

/**
 * Returns where the browser goes next with the parameters of the address, or a page with the reason why it does not.
 */
type Asking = {
  app: App;
  back: string;
  redirectUri: string | undefined;
  challenge: string | undefined;
  given: string | undefined;
};

function readAsking(state: State, query: URLSearchParams): Asking | Answer {
  const app = appOf(state, query.get('client_id'));
  if (!app) return refusal('Not Found', 404);
  const redirectUri = query.get('redirect_uri') ?? undefined;
  const back = redirectUri ?? app.callbackUrls[0];
  const challenge = query.get('code_challenge') ?? undefined;
  if (!back || !app.callbackUrls.includes(back))
    return refusal('The redirect_uri is not associated with this application.');
  if (challenge !== undefined && query.get('code_challenge_method') !== 'S256') {
    return refusal('The code_challenge_method must be S256.');
  }
  return { app, back, redirectUri, challenge, given: query.get('state') ?? undefined };
}

function authorize(state: State, query: URLSearchParams, isAsked: boolean): Answer {
  const asking = readAsking(state, query);
  if ('status' in asking) return asking;
  const isKnown = state.grants.has(grantOf(asking.app, state.person));
  return isAsked && !isKnown ? askToAuthorize(state, asking.app, query) : agree(state, asking);
}

function agree(state: State, { app, back, redirectUri, challenge, given }: Asking): Answer {
  const code = addCode(state, app, { user: state.person, challenge, redirectUri });
  return redirectTo(back, { code, state: given });
}

/** The page with the two buttons. They send the parameters of the address. */
function askToAuthorize(state: State, app: App, query: URLSearchParams): Answer {
  const body = html`<p>${app.name} by @${app.owner.login} wants to know who you are, and what of its installations you may see.</p>
<form method="post" action="/login/oauth/authorize">${hidden(Object.fromEntries(query))}
<p><button type="submit" name="authorize" value="1">Authorize ${app.name}</button>
<button type="submit" name="authorize" value="0">Cancel</button></p></form>`;
  return page(state, `Authorize ${app.name}`, body);
}

function decide(state: State, { authorize, ...rest }: Record<string, unknown>): Answer {
  const asking = readAsking(state, new URLSearchParams(rest as Record<string, string>));
  if ('status' in asking) return asking;
  if (authorize === '1') return agree(state, asking);
  return redirectTo(asking.back, {
    error: 'access_denied',
    error_description: 'The user has denied your application access.',
    error_uri: 'https://docs.github.com/apps',
    state: asking.given,
  });
}

export function grantOf({ appId }: App, { id }: Account): string {
  return `${appId}:${id}`;
}

function refusal(text: string, status = 400): Answer {
  return { status, raw: text, headers: { 'content-type': 'text/plain; charset=utf-8' } };
}

function exchange(state: State, form: Record<string, unknown>): Record<string, unknown> {
  const app = appOf(state, form['client_id']);
  if (!app || !clientSecretsOf(app).includes(String(form['client_secret']))) {
    return oauthError('incorrect_client_credentials', 'The client_id and/or client_secret passed are incorrect.');
  }
  return form['grant_type'] === 'refresh_token' ? refresh(state, app, form) : redeem(state, app, form);
}

function redeem(state: State, app: App, form: Record<string, unknown>): Record<string, unknown> {
  const code = String(form['code']);
  const entry = state.oauthCodes.get(code);
  // A code works once, even if the exchange fails.
  state.oauthCodes.delete(code);
  const verifier = String(form['code_verifier'] ?? '');
  const proven =
    entry?.challenge === undefined || entry.challenge === createHash('sha256').update(verifier).digest('base64url');
  if (!entry || entry.appId !== app.appId || entry.expiresAt <= state.now() || !proven) {
    return oauthError('bad_verification_code', 'The code passed is incorrect or expired.');
  }
  if (form['redirect_uri'] !== undefined && form['redirect_uri'] !== (entry.redirectUri ?? app.callbackUrls[0])) {
    return oauthError('redirect_uri_mismatch', 'The redirect_uri MUST match the registered callback URL.');
  }
  return issue(state, app, entry.user);
}

function refresh(state: State, app: App, form: Record<string, unknown>): Record<string, unknown> {
  const token = String(form['refresh_token']);
  const old = state.refreshTokens.get(token);
  if (!old || old.appId !== app.appId || old.expiresAt <= state.now()) {
    return oauthError('bad_refresh_token', 'The refresh token passed is incorrect or expired.');
  }
  // A refresh token works once, and its access token ends with it.
  state.refreshTokens.delete(token);
  state.userTokens.delete(old.accessToken);
  return issue(state, app, old.user);
}

function issue(state: State, { appId }: App, user: Account) {
  const access = `ghu_${randomBytes(18).toString('hex')}`;
  const renewal = `ghr_${randomBytes(38).toString('hex')}`;
  const common = { user, appId };
  state.userTokens.set(access, { ...common, token: access, expiresAt: state.now() + eightHours * 1000 });
  state.refreshTokens.set(renewal, {
    ...common,
    token: renewal,
    accessToken: access,
    expiresAt: state.now() + sixMonths * 1000,
  });
  return {
    access_token: access,
    expires_in: eightHours,
    refresh_token: renewal,
    refresh_token_expires_in: sixMonths,
    token_type: 'bearer',
    scope: '',
  };
}

function appOf(state: State, clientId: unknown): App | undefined {
  return [...state.apps.values()].find((one) => one.clientId === clientId);
}

function oauthError(error: string, description: string) {
  return { error, error_description: description, error_uri: 'https://docs.github.com/apps' };
}
