import { createHash, randomBytes } from 'node:crypto';
import { type Call, ok, page, Refused, type Route } from '../answers.ts';
import { insertApp } from '../seeds.ts';
import type { State, UserToken } from '../state.ts';
import { appView, installationView, userView } from '../views.ts';

const eightHours = 28_800;
const sixMonths = 15_811_200;

/** How Apps come to be, and who their users are. */
export const registrationRoutes: Route[] = [
  {
    method: 'POST',
    path: '/app-manifests/{code}/conversions',
    handle(call) {
      const { state, params } = call;
      const code = params['code'] ?? '';
      const entry = state.manifestCodes.get(code);
      state.manifestCodes.delete(code);
      if (!entry || entry.expiresAt <= state.now()) throw new Refused(404, 'Not Found');
      const { manifest } = entry;
      const app = insertApp(state, {
        ...(manifest.name !== undefined && { name: manifest.name, slug: slugOf(manifest.name) }),
        ...(manifest.hook_attributes && { hookUrl: manifest.hook_attributes.url }),
        ...(manifest.default_permissions && { permissions: manifest.default_permissions }),
        ...(manifest.default_events && { events: manifest.default_events }),
      });
      return {
        status: 201,
        body: {
          ...appView(state, app),
          owner: userView(state, entry.owner),
          client_id: app.clientId,
          client_secret: app.clientSecret,
          webhook_secret: app.webhookSecret,
          pem: app.privateKey,
        },
      };
    },
  },
  { method: 'GET', path: '/user', handle: (call) => ok(privateUserView(call.state, requireUser(call))) },
  {
    method: 'GET',
    path: '/user/installations',
    handle(call) {
      const { appId, user } = requireUser(call);
      const seen = [...call.state.installations.values()].filter(
        ({ appId: id, account }) => id === appId && (account.type === 'Organization' || account.id === user.id),
      );
      return page(call, seen, (some) => ({
        total_count: seen.length,
        installations: some.map((one) => installationView(call.state, one)),
      }));
    },
  },
];

/** POST /login/oauth/access_token of the web host. A refusal is a 200 that names its error. */
export function exchangeOAuth(state: State, form: Record<string, unknown>): Record<string, unknown> {
  const app = [...state.apps.values()].find(({ clientId }) => clientId === form['client_id']);
  if (!app || form['client_secret'] !== app.clientSecret) {
    return oauthError('incorrect_client_credentials', 'The client_id and/or client_secret passed are incorrect.');
  }
  if (form['grant_type'] === 'refresh_token') {
    const refresh = String(form['refresh_token']);
    const old = state.refreshTokens.get(refresh);
    if (!old || old.appId !== app.appId) {
      return oauthError('bad_refresh_token', 'The refresh token passed is incorrect or expired.');
    }
    // Used once; the access token that came with it dies too.
    state.refreshTokens.delete(refresh);
    state.userTokens.delete(old.token);
    return issue(state, old);
  }
  const code = String(form['code']);
  const entry = state.oauthCodes.get(code);
  state.oauthCodes.delete(code);
  const proof = createHash('sha256')
    .update(String(form['code_verifier'] ?? ''))
    .digest('base64url');
  const proven = entry?.challenge === undefined || entry.challenge === proof;
  if (!entry || entry.appId !== app.appId || entry.expiresAt <= state.now() || !proven) {
    return oauthError('bad_verification_code', 'The code passed is incorrect or expired.');
  }
  return issue(state, entry);
}

function issue(state: State, { user, appId }: Pick<UserToken, 'user' | 'appId'>) {
  const token: UserToken = { token: `ghu_${randomBytes(18).toString('hex')}`, user, appId };
  const refresh = `ghr_${randomBytes(38).toString('hex')}`;
  state.userTokens.set(token.token, token);
  state.refreshTokens.set(refresh, token);
  return {
    access_token: token.token,
    expires_in: eightHours,
    refresh_token: refresh,
    refresh_token_expires_in: sixMonths,
    token_type: 'bearer',
    scope: '',
  };
}

function oauthError(error: string, description: string) {
  return { error, error_description: description, error_uri: 'https://docs.github.com/apps' };
}

function requireUser({ state, headers }: Call): UserToken {
  const value = /^(?:bearer|token) (.+)$/i.exec(headers.authorization ?? '')?.[1] ?? '';
  const token = state.userTokens.get(value);
  if (!token) throw new Refused(401, value ? 'Bad credentials' : 'Requires authentication');
  return token;
}

function privateUserView(state: State, { user }: UserToken) {
  return {
    ...userView(state, user),
    name: user.login,
    company: null,
    blog: '',
    location: null,
    email: null,
    hireable: null,
    bio: null,
    public_repos: 0,
    public_gists: 0,
    followers: 0,
    following: 0,
    created_at: '2020-01-01T00:00:00Z',
    updated_at: '2020-01-01T00:00:00Z',
  };
}

function slugOf(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '');
}
