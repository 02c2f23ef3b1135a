import { Refused, type Route } from '../answers.ts';
import { insertApp } from '../seeds.ts';
import type { App } from '../state.ts';
import { appView } from '../views/views.ts';

/** The routes that create Apps. */
export function registrationRoutes(registered: (app: App) => void): Route[] {
  return [
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
          owner: entry.owner,
          public: manifest.public ?? false,
          setupOnUpdate: manifest.setup_on_update ?? false,
          requestOauthOnInstall: manifest.request_oauth_on_install ?? false,
          ...(manifest.setup_url !== undefined && { setupUrl: manifest.setup_url }),
          ...(manifest.hook_attributes && { hookUrl: manifest.hook_attributes.url }),
          hookActive: manifest.hook_attributes?.active ?? true,
          ...(manifest.callback_urls && { callbackUrls: manifest.callback_urls }),
          ...(manifest.default_permissions && { permissions: manifest.default_permissions }),
          ...(manifest.default_events && { events: manifest.default_events }),
        });
        call.later(() => registered(app));
        return {
          status: 201,
          body: {
            ...appView(state, app),
            client_id: app.clientId,
            client_secret: app.clientSecret,
            webhook_secret: app.webhookSecret,
            pem: app.privateKey,
          },
        };
      },
    },
  ];
}

export function slugOf(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '');
}
