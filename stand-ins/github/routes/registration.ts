import { Refused, type Route } from '../answers.ts';
import { insertApp } from '../seeds.ts';
import { appView, userView } from '../views.ts';

/** How Apps come to be. */
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
        ...(manifest.callback_urls && { callbackUrls: manifest.callback_urls }),
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
];

function slugOf(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '');
}
