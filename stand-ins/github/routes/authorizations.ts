import { grantOf } from '../access/oauth.ts';
import { type Call, ok, Refused, type Route } from '../answers.ts';
import { clientSecretsOf } from '../credentials.ts';
import type { App, UserToken } from '../state.ts';
import { appView, nodeId, timestamp, userView } from '../views/views.ts';

const base = '/applications/{client_id}';

/** The routes for an App's user tokens, authenticated by the client secret. */
export const authorizationRoutes: Route[] = [
  {
    method: 'POST',
    path: `${base}/token`,
    handle(call) {
      const app = requireClient(call);
      const token = tokenOf(call, app);
      if (!token) throw new Refused(404, 'Not Found');
      return ok(authorizationView(call, app, token));
    },
  },
  {
    method: 'DELETE',
    path: `${base}/token`,
    handle(call) {
      const app = requireClient(call);
      const token = tokenOf(call, app);
      if (!token) throw new Refused(404, 'Not Found');
      call.state.userTokens.delete(token.token);
      return { status: 204 };
    },
  },
  {
    method: 'DELETE',
    path: `${base}/grant`,
    handle(call) {
      const app = requireClient(call);
      const token = tokenOf(call, app);
      if (!token) throw new Refused(422, 'Validation Failed');
      const { state } = call;
      state.grants.delete(grantOf(app, token.user));
      // All tokens of the user end, not only the given one.
      for (const tokens of [state.userTokens, state.refreshTokens]) {
        for (const one of [...tokens.values()]) {
          if (one.appId === app.appId && one.user.id === token.user.id) tokens.delete(one.token);
        }
      }
      return { status: 204 };
    },
  },
];

function requireClient({ state, headers, params }: Call): App {
  const basic = /^basic (.+)$/i.exec(headers.authorization ?? '')?.[1] ?? '';
  const [clientId, ...secret] = Buffer.from(basic, 'base64').toString('utf8').split(':');
  const app = [...state.apps.values()].find((one) => one.clientId === clientId);
  if (!app || !clientSecretsOf(app).includes(secret.join(':'))) throw new Refused(401, 'Bad credentials');
  if (app.clientId !== params['client_id']) throw new Refused(404, 'Not Found');
  return app;
}

function tokenOf({ state, body }: Call, { appId }: App): UserToken | undefined {
  const token = state.userTokens.get(String(body['access_token']));
  return token?.appId === appId && token.expiresAt > state.now() ? token : undefined;
}

function authorizationView({ state }: Call, app: App, { token, user, expiresAt }: UserToken) {
  const at = timestamp(expiresAt - 28_800_000);
  return {
    id: app.hookId,
    node_id: nodeId('OA', app.hookId),
    url: `${state.apiUrl}/authorizations/${app.hookId}`,
    app: { client_id: app.clientId, name: app.name, url: appView(state, app).html_url },
    token,
    hashed_token: null,
    token_last_eight: token.slice(-8),
    note: null,
    note_url: null,
    fingerprint: null,
    scopes: [],
    created_at: at,
    updated_at: at,
    expires_at: timestamp(expiresAt),
    user: userView(state, user),
  };
}
