import { type Call, Refused } from '../answers.ts';
import type { Account, App, State } from '../state.ts';

/** What the person who is signed in may do with an account's Apps: install them, ask for them, or nothing. */
export function roleIn({ person, memberships }: State, account: Account): 'admin' | 'member' | undefined {
  if (account.id === person.id) return 'admin';
  return memberships.find(({ organization, user }) => organization.id === account.id && user.id === person.id)?.role;
}

/** The person's own account and the organizations of theirs, as far as the App may be installed there. */
export function targetsOf(state: State, app: App): Account[] {
  const organizations = state.memberships.filter(({ user }) => user.id === state.person.id);
  const accounts = [state.person, ...organizations.map(({ organization }) => organization)];
  return accounts.filter((account) => app.public || account.id === app.owner.id);
}

/** An organization that the person who is signed in owns. To others the page does not exist, as at GitHub. */
export function requireOwned(call: Call): Account {
  const { state, params } = call;
  const login = (params['org'] ?? '').toLowerCase();
  const organization = [...state.accounts.values()].find(
    (one) => one.type === 'Organization' && one.login.toLowerCase() === login,
  );
  if (!organization || roleIn(state, organization) !== 'admin') throw new Refused(404, 'Not Found');
  return organization;
}

/** An App that the person may see: a private one is seen by its owner's people alone. */
export function requireVisibleApp({ state, params }: Call): App {
  const app = [...state.apps.values()].find(({ slug }) => slug === params['slug']);
  if (!app || !(app.public || roleIn(state, app.owner))) throw new Refused(404, 'Not Found');
  return app;
}

/** Where an App's public page is, which Enterprise Server has elsewhere. */
export function appPath({ flavour }: State, { slug }: App): string {
  return `/${flavour === 'ghes' ? 'github-apps' : 'apps'}/${slug}`;
}

export function field({ body }: Call, name: string): string | undefined {
  const value = body[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Every value of a field that may come more than once, such as a row of check boxes. */
export function fields({ body }: Call, name: string): string[] {
  const value = body[name];
  return (Array.isArray(value) ? value : [value]).filter((one): one is string => typeof one === 'string');
}
