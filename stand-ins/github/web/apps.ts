import { type Answer, type Call, type Page, Refused } from '../answers.ts';
import { newKeyPair } from '../seeds.ts';
import type { App } from '../state.ts';
import { appPath, roleIn } from './accounts.ts';
import { html, page, redirectTo } from './html.ts';

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
        const { privateKey, publicKey } = newKeyPair();
        app.otherPublicKeys.push(publicKey);
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
  const body = html`<p>App ID: ${app.appId}<br>Client ID: ${app.clientId}<br>Webhook: ${app.hookUrl ?? 'none'}</p>
<p><a href="${appPath(state, app)}/installations/new">Install App</a></p>
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
