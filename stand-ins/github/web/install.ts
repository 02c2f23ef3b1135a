import { addCode } from '../access/oauth.ts';
import { type Answer, type Call, type Page, Refused } from '../answers.ts';
import { type Html, hidden, html, page, redirectTo } from '../html.ts';
import { type Announcement, install, repositoriesOf, requestInstallation, type Selection } from '../installing.ts';
import type { Account, App, Installation, State } from '../state.ts';
import { appPath, field, fields, requireVisibleApp, roleIn, targetsOf } from './accounts.ts';

/** An App's public page, and the way from "Install" back to the site that sent the browser here. */
export function installPages(announce: (announcement: Announcement) => Promise<void>): Page[] {
  // Enterprise Server has its Apps elsewhere.
  return ['/apps/{slug}', '/github-apps/{slug}'].flatMap((base): Page[] => [
    { method: 'GET', path: base, handle: (call) => showApp(call, requireApp(call)) },
    { method: 'GET', path: `${base}/installations/new`, handle: (call) => showTargets(call, requireApp(call)) },
    {
      method: 'GET',
      path: `${base}/installations/new/permissions`,
      handle: (call) => showTarget(call, requireApp(call), requireTarget(call, call.query.get('target_id'))),
    },
    {
      method: 'POST',
      path: `${base}/installations`,
      handle(call) {
        const app = requireApp(call);
        const account = requireTarget(call, field(call, 'target_id'));
        const present = installationOn(call.state, app, account);
        if (present) return redirectTo(settingsPath(present));
        if (roleIn(call.state, account) !== 'admin') return ask(call, app, account);
        const { installation, announcement } = install(call.state, { app, account, selection: selectionOf(call) });
        call.later(() => announce(announcement));
        return backFrom(call.state, app, installation, field(call, 'state'));
      },
    },
  ]);
}

/** Where the browser goes once it is installed. */
export function backFrom(state: State, app: App, { id }: Installation, given: string | undefined): Answer {
  const query = { installation_id: id, setup_action: 'install', state: given };
  const [callback] = app.callbackUrls;
  if (app.requestOauthOnInstall && callback) {
    const code = addCode(state, app, { user: state.person, challenge: undefined, redirectUri: undefined });
    return redirectTo(callback, { code, ...query });
  }
  return app.setupUrl ? redirectTo(app.setupUrl, query) : redirectTo(appPath(state, app));
}

/** No number of an installation comes back, for there is none yet. */
function ask(call: Call, app: App, account: Account): Answer {
  const { state } = call;
  requestInstallation(state, app, account, state.person);
  const query = { setup_action: 'request', state: field(call, 'state') };
  if (app.setupUrl) return redirectTo(app.setupUrl, query);
  const body = html`<p>The owners of ${account.login} were asked to install ${app.name}.</p>`;
  return page(state, 'Request sent', body);
}

function requireApp(call: Call): App {
  const app = requireVisibleApp(call);
  if (!call.path.startsWith(appPath(call.state, app))) throw new Refused(404, 'Not Found');
  return app;
}

function requireTarget(call: Call, id: string | null | undefined): Account {
  const account = targetsOf(call.state, requireApp(call)).find((one) => String(one.id) === id);
  if (!account) throw new Refused(404, 'Not Found');
  return account;
}

function showApp({ state }: Call, app: App): Answer {
  const body = html`<p>By @${app.owner.login}.</p>
<p><a href="${appPath(state, app)}/installations/new">${app.public ? 'Install' : 'Install (private)'}</a></p>`;
  return page(state, app.name, body);
}

function showTargets(call: Call, app: App): Answer {
  const { state, query } = call;
  const wanted = query.get('target_id') ?? query.get('suggested_target_id');
  const accounts = targetsOf(state, app);
  const [only = accounts[0]] = accounts.filter(({ id }) => String(id) === wanted);
  if (only && (accounts.length === 1 || String(only.id) === wanted)) return showTarget(call, app, only);
  const lines = accounts.map((account) => {
    const present = installationOn(state, app, account);
    const link = present ? settingsPath(present) : permissionsPath(call, app, account);
    const verb = roleIn(state, account) === 'admin' ? 'Install on' : 'Request for';
    return html`<li><a href="${link}">${present ? 'Configure' : verb} @${account.login}</a></li>`;
  });
  return page(state, `Install ${app.name}`, html`<p>Where do you want to install it?</p><ul>${lines}</ul>`);
}

function permissionsPath({ state, query }: Call, app: App, { id }: Account): string {
  const given = query.get('state');
  const parameters = new URLSearchParams({ target_id: String(id), ...(given !== null && { state: given }) });
  return `${appPath(state, app)}/installations/new/permissions?${parameters}`;
}

function showTarget({ state, query }: Call, app: App, account: Account): Answer {
  const present = installationOn(state, app, account);
  if (present) {
    const body = html`<p>It is installed. <a href="${settingsPath(present)}">Configure @${account.login}</a></p>`;
    return page(state, `Install ${app.name}`, body);
  }
  const isAdmin = roleIn(state, account) === 'admin';
  const body = html`
<form method="post" action="${appPath(state, app)}/installations">
${hidden({ target_id: account.id, state: query.get('state') ?? undefined })}
${selectionFields(state, account)}
<p>With these permissions: ${Object.entries(app.permissions)
    .map(([what, level]) => `${what}: ${level}`)
    .join(', ')}</p>
${!isAdmin && html`<p>An owner of @${account.login} has to approve it.</p>`}
<p><button type="submit">${isAdmin ? 'Install' : 'Request'}</button></p>
</form>`;
  return page(state, `${isAdmin ? 'Install' : 'Request'} ${app.name} on @${account.login}`, body);
}

/** The choice between all repositories and some; `installation` is the present one. */
export function selectionFields(state: State, account: Account, installation?: Installation): Html {
  const isAll = installation?.repositorySelection !== 'selected';
  return html`<fieldset><legend>Repositories</legend>
<p><label><input type="radio" name="repository_selection" value="all"${isAll && html` checked`}> All repositories</label></p>
<p><label><input type="radio" name="repository_selection" value="selected"${!isAll && html` checked`}>
Only select repositories</label></p>
<ul>${repositoriesOf(state, account).map(
    ({ id, name }) =>
      html`<li><label><input type="checkbox" name="repository_ids" value="${id}"${
        installation?.repositoryIds.has(id) && html` checked`
      }> ${name}</label></li>`,
  )}</ul></fieldset>`;
}

export function selectionOf(call: Call): Selection {
  return field(call, 'repository_selection') === 'selected' ? fields(call, 'repository_ids').map(Number) : 'all';
}

export function settingsPath({ id, account }: Installation): string {
  const owner = account.type === 'Organization' ? `/organizations/${account.login}` : '';
  return `${owner}/settings/installations/${id}`;
}

function installationOn({ installations }: State, app: App, account: Account): Installation | undefined {
  return [...installations.values()].find((one) => one.appId === app.appId && one.account.id === account.id);
}
