import { type Answer, type Call, type Page, Refused } from '../answers.ts';
import { html, page, redirectTo } from '../html.ts';
import { type Announcement, approve } from '../installing.ts';
import type { InstallationRequest } from '../state.ts';
import { field, requireOwned } from './accounts.ts';
import { backFrom, selectionFields, selectionOf } from './install.ts';

const base = '/organizations/{org}/settings/installation-requests';

/** The page on which an organization's owner decides about the members' requests. */
export function requestPages(announce: (announcement: Announcement) => Promise<void>): Page[] {
  return [
    { method: 'GET', path: base, handle: list },
    {
      method: 'POST',
      path: `${base}/{id}`,
      handle(call) {
        const request = requireRequest(call);
        const app = call.state.apps.get(request.appId);
        if (!app) throw new Refused(404, 'Not Found');
        if (field(call, 'decision') !== 'approve') {
          // GitHub notifies no one.
          call.state.installationRequests.delete(request.id);
          return redirectTo(`/organizations/${request.account.login}/settings/installation-requests`);
        }
        const { installation, announcement } = approve(call.state, request, selectionOf(call));
        call.later(() => announce(announcement));
        // The requester has the state, and the owner never saw it.
        return backFrom(call.state, app, installation, undefined);
      },
    },
  ];
}

function list(call: Call): Answer {
  const { state } = call;
  const organization = requireOwned(call);
  const pending = [...state.installationRequests.values()].filter(({ account }) => account.id === organization.id);
  const body = html`${pending.length === 0 && html`<p>Nobody asks for anything.</p>`}
${pending.map(({ id, appId, requester }) => {
  const name = state.apps.get(appId)?.name ?? '';
  return html`<h2>${name}, asked for by @${requester.login}</h2>
<form method="post" action="/organizations/${organization.login}/settings/installation-requests/${id}">
${selectionFields(state, organization)}
<p><button type="submit" name="decision" value="approve">Approve</button>
<button type="submit" name="decision" value="deny">Deny</button></p></form>`;
})}`;
  return page(state, `Pending GitHub Apps of @${organization.login}`, body);
}

function requireRequest(call: Call): InstallationRequest {
  const organization = requireOwned(call);
  const request = call.state.installationRequests.get(Number(call.params['id']));
  if (request?.account.id !== organization.id) throw new Refused(404, 'Not Found');
  return request;
}
