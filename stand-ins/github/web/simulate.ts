import { type Answer, type Call, type Page, Refused } from '../answers.ts';
import { html, page, redirectTo } from '../html.ts';
import { repositoriesOf } from '../installing.ts';
import type { Account, State } from '../state.ts';
import { field, roleIn } from './accounts.ts';
import { settingsPath } from './install.ts';

/** A page that GitHub does not have: it switches the person at the browser. */
export const simulatePages: Page[] = [
  { method: 'GET', path: '/simulate', handle: show },
  {
    method: 'POST',
    path: '/simulate',
    handle(call) {
      const person = [...call.state.accounts.values()].find(({ login }) => login === field(call, 'person'));
      if (person?.type !== 'User') throw new Refused(404, 'There is no such person');
      call.state.person = person;
      return redirectTo('/simulate');
    },
  },
];

function show({ state }: Call): Answer {
  const accounts = [...state.accounts.values()];
  const people = accounts.filter(({ type }) => type === 'User');
  const owned = state.memberships.filter(({ user, role }) => user.id === state.person.id && role === 'admin');
  const body = html`<form method="post" action="/simulate"><fieldset><legend>Who is signed in</legend>
${people.map(
  (one) =>
    html`<p><label><input type="radio" name="person" value="${one.login}"${
      one.id === state.person.id && html` checked`
    }> @${one.login}${rolesOf(state, one)}</label></p>`,
)}</fieldset><p><button type="submit">Sign in</button></p></form>
<h2>Repositories</h2><ul>${accounts.flatMap((account) =>
    repositoriesOf(state, account).map(({ fullName }) => html`<li><a href="/${fullName}">${fullName}</a></li>`),
  )}</ul>
<h2>Apps</h2><ul>${[...state.apps.values()]
    .filter(({ owner }) => roleIn(state, owner) === 'admin')
    .map(({ slug, name }) => html`<li><a href="/settings/apps/${slug}">${name}</a></li>`)}</ul>
<h2>Installations</h2><ul>${[...state.installations.values()]
    .filter(({ account }) => roleIn(state, account) === 'admin')
    .map(
      (one) =>
        html`<li><a href="${settingsPath(one)}">${state.apps.get(one.appId)?.name} on @${one.account.login}</a></li>`,
    )}</ul>
<h2>Requests to decide</h2><ul>${owned.map(
    ({ organization: { login } }) =>
      html`<li><a href="/organizations/${login}/settings/installation-requests">@${login}</a></li>`,
  )}</ul>`;
  return page(state, 'Simulate', body);
}

function rolesOf({ memberships }: State, { id }: Account): string {
  const roles = memberships.filter(({ user }) => user.id === id);
  const named = roles.map(
    ({ organization, role }) => `${role === 'admin' ? 'owner' : 'member'} of @${organization.login}`,
  );
  return named.length > 0 ? `, ${named.join(', ')}` : ', in no organization';
}
