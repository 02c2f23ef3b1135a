import { type Answer, type Call, type Page, Refused } from '../answers.ts';
import {
  addClientSecret,
  addKey,
  clientSecretsOf,
  deleteClientSecret,
  deleteKey,
  fingerprintOf,
  keysOf,
} from '../credentials.ts';
import { hidden, html, page, redirectTo } from '../html.ts';
import type { App } from '../state.ts';
import { appPath, roleIn } from './accounts.ts';

/** An App's settings: what GitHub has no API for, a person does here. */
export const appSettingsPages: Page[] = ['/settings/apps/{slug}', '/organizations/{org}/settings/apps/{slug}'].flatMap(
  (base): Page[] => [
    { method: 'GET', path: base, handle: show },
    { method: 'GET', path: `${base}/advanced`, handle: show },
    {
      method: 'POST',
      path: `${base}/keys`,
      handle(call) {
        const app = requireOwnApp(call);
        const privateKey = addKey(app);
        // Shown this once.
        const name = `${app.slug}.${new Date(call.state.now()).toISOString().slice(0, 10)}.private-key.pem`;
        const headers = {
          'content-type': 'application/x-pem-file',
          'content-disposition': `attachment; filename="${name}"`,
          'cache-control': 'no-store',
        };
        return { status: 200, raw: privateKey, headers };
      },
    },
    {
      method: 'POST',
      path: `${base}/keys/delete`,
      handle(call) {
        const app = requireOwnApp(call);
        deleteKey(app, String(call.body['fingerprint']));
        return redirectTo(settingsPathOf(app));
      },
    },
    {
      method: 'POST',
      path: `${base}/client-secrets`,
      handle(call) {
        const app = requireOwnApp(call);
        // Shown this once.
        const body = html`<p>Make sure to copy your new client secret now: <code>${addClientSecret(app)}</code></p>
<p><a href="${settingsPathOf(app)}">Back to the App</a></p>`;
        return page(call.state, 'New client secret', body);
      },
    },
    {
      method: 'POST',
      path: `${base}/client-secrets/delete`,
      handle(call) {
        const app = requireOwnApp(call);
        deleteClientSecret(app, String(call.body['last_eight']));
        return redirectTo(settingsPathOf(app));
      },
    },
    {
      method: 'POST',
      path: `${base}/delete`,
      handle(call) {
        const { appId } = requireOwnApp(call);
        const { state } = call;
        state.apps.delete(appId);
        forget(state.installations, appId);
        forget(state.installationRequests, appId);
        forget(state.tokens, appId);
        forget(state.userTokens, appId);
        return redirectTo('/simulate');
      },
    },
  ],
);

function forget<Key>(kept: Map<Key, { appId: number }>, appId: number): void {
  for (const [key, one] of kept) if (one.appId === appId) kept.delete(key);
}

function show(call: Call): Answer {
  const { state } = call;
  const app = requireOwnApp(call);
  const path = settingsPathOf(app);
  const deletable = (what: string, field: string, value: string) =>
    html`<form method="post" action="${path}/${what}/delete"><p><code>${value}</code> ${hidden({ [field]: value })}<button type="submit">Delete</button></p></form>`;
  const body = html`<p>App ID: ${app.appId}<br>Client ID: ${app.clientId}<br>Webhook: ${app.hookUrl ?? 'none'}</p>
<p><a href="${appPath(state, app)}/installations/new">Install App</a></p>
<h2>Client secrets</h2>
${clientSecretsOf(app).map((secret) => deletable('client-secrets', 'last_eight', secret.slice(-8)))}
<form method="post" action="${path}/client-secrets"><p><button type="submit">Generate a new client secret</button></p></form>
<h2>Private keys</h2>
${keysOf(app).map((key) => deletable('keys', 'fingerprint', fingerprintOf(key)))}
<form method="post" action="${path}/keys"><p><button type="submit">Generate a private key</button></p></form>
<h2>Danger zone</h2>
<form method="post" action="${path}/delete"><p><button type="submit">Delete GitHub App</button></p></form>`;
  return page(state, app.name, body);
}

function settingsPathOf({ owner, slug }: App): string {
  return `${owner.type === 'Organization' ? `/organizations/${owner.login}` : ''}/settings/apps/${slug}`;
}

function requireOwnApp({ state, params }: Call): App {
  const app = [...state.apps.values()].find(({ slug }) => slug === params['slug']);
  if (!app || roleIn(state, app.owner) !== 'admin') throw new Refused(404, 'Not Found');
  return app;
}
