import { type Answer, type Call, type Page, Refused } from '../answers.ts';
import { installationPayload } from '../events/payloads.ts';
import { html, page, redirectTo } from '../html.ts';
import { type Announcement, reselect } from '../installing.ts';
import type { App, Installation } from '../state.ts';
import { appPath, roleIn } from './accounts.ts';
import { selectionFields, selectionOf, settingsPath } from './install.ts';

type Announce = (announcement: Announcement) => Promise<void>;

/** The owner's pages for an installation. None of them returns a site its state. */
export function settingsPages(announce: Announce): Page[] {
  const act = (call: Call, action: string, change: (installation: Installation) => void): Answer => {
    const { app, installation } = requireInstallation(call);
    change(installation);
    const payload = installationPayload(call.state, installation, action);
    call.later(() => announce({ app, event: 'installation', payload }));
    return redirectTo(action === 'deleted' ? appPath(call.state, app) : settingsPath(installation));
  };
  // An organization's settings are below its name, but a person's are not.
  return ['/settings/installations/{id}', '/organizations/{org}/settings/installations/{id}'].flatMap(
    (base): Page[] => [
      { method: 'GET', path: base, handle: show },
      { method: 'POST', path: base, handle: (call) => save(call, announce) },
      {
        method: 'POST',
        path: `${base}/suspend`,
        handle: (call) =>
          act(call, 'suspend', (installation) => {
            installation.suspendedAt = call.state.now();
          }),
      },
      {
        method: 'POST',
        path: `${base}/unsuspend`,
        handle: (call) =>
          act(call, 'unsuspend', (installation) => {
            installation.suspendedAt = undefined;
          }),
      },
      {
        method: 'POST',
        path: `${base}/uninstall`,
        handle: (call) => act(call, 'deleted', ({ id }) => call.state.installations.delete(id)),
      },
    ],
  );
}

function save(call: Call, announce: Announce): Answer {
  const { app, installation } = requireInstallation(call);
  const announcements = reselect(call.state, app, installation, selectionOf(call));
  call.later(async () => {
    for (const announcement of announcements) await announce(announcement);
  });
  if (!app.setupUrl || !app.setupOnUpdate) return redirectTo(settingsPath(installation));
  return redirectTo(app.setupUrl, { installation_id: installation.id, setup_action: 'update' });
}

function show(call: Call): Answer {
  const { state } = call;
  const { app, installation } = requireInstallation(call);
  const path = settingsPath(installation);
  const button = (to: string, text: string) =>
    html`<form method="post" action="${path}/${to}"><p><button type="submit">${text}</button></p></form>`;
  const body = html`<p>Installed on @${installation.account.login}${installation.suspendedAt !== undefined && ', suspended'}.</p>
<form method="post" action="${path}">${selectionFields(state, installation.account, installation)}
<p><button type="submit">Save</button></p></form>
<h2>Danger zone</h2>
${installation.suspendedAt === undefined ? button('suspend', 'Suspend') : button('unsuspend', 'Unsuspend')}
${button('uninstall', 'Uninstall')}`;
  return page(state, app.name, body);
}

function requireInstallation({ state, params }: Call): { app: App; installation: Installation } {
  const installation = state.installations.get(Number(params['id']));
  const app = installation && state.apps.get(installation.appId);
  if (!installation || !app || roleIn(state, installation.account) !== 'admin') throw new Refused(404, 'Not Found');
  return { app, installation };
}
