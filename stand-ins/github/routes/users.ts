import { grants } from '../access/tokens.ts';
import { type Call, ok, page, Refused, type Route } from '../answers.ts';
import type { Membership, State, UserToken } from '../state.ts';
import { installationView, nodeId, userView } from '../views/views.ts';

/** The routes for a user's token: who the user is, and their roles. */
export const userRoutes: Route[] = [
  { method: 'GET', path: '/user', handle: (call) => ok(privateUserView(call.state, requireUser(call))) },
  {
    method: 'GET',
    path: '/user/installations',
    handle(call) {
      const { appId, user } = requireUser(call);
      const own = new Set([user.id, ...membershipsOf(call.state, user.id).map((one) => one.organization.id)]);
      const seen = [...call.state.installations.values()].filter(
        (one) => one.appId === appId && own.has(one.account.id),
      );
      return page(call, seen, (some) => ({
        total_count: seen.length,
        installations: some.map((one) => installationView(call.state, one)),
      }));
    },
  },
  {
    method: 'GET',
    path: '/user/memberships/orgs',
    handle(call) {
      const token = requireUser(call);
      const shown = membershipsOf(call.state, token.user.id).filter((one) => mayReadMembers(call.state, token, one));
      return page(call, shown, (some) => some.map((one) => membershipView(call.state, one)));
    },
  },
  {
    method: 'GET',
    path: '/user/memberships/orgs/{org}',
    handle(call) {
      const token = requireUser(call);
      const org = (call.params['org'] ?? '').toLowerCase();
      const membership = membershipsOf(call.state, token.user.id).find(
        (one) => one.organization.login.toLowerCase() === org,
      );
      if (!membership) throw new Refused(404, 'Not Found');
      if (!mayReadMembers(call.state, token, membership)) {
        throw new Refused(403, 'Resource not accessible by integration');
      }
      return ok(membershipView(call.state, membership));
    },
  },
];

function requireUser({ state, headers }: Call): UserToken {
  const value = /^(?:bearer|token) (.+)$/i.exec(headers.authorization ?? '')?.[1] ?? '';
  const token = state.userTokens.get(value);
  if (!token || token.expiresAt <= state.now()) {
    throw new Refused(401, value ? 'Bad credentials' : 'Requires authentication');
  }
  return token;
}

function membershipsOf({ memberships }: State, userId: number): Membership[] {
  return memberships.filter(({ user }) => user.id === userId);
}

/** A user's token is limited to its App's permissions, which must include "Members: read" there. */
function mayReadMembers({ installations }: State, { appId }: UserToken, { organization }: Membership): boolean {
  return [...installations.values()].some(
    (one) => one.appId === appId && one.account.id === organization.id && grants(one.permissions, 'members', 'read'),
  );
}

function membershipView(state: State, { organization: { login, id }, user, role }: Membership) {
  const self = `${state.apiUrl}/orgs/${login}`;
  return {
    url: `${self}/memberships/${user.login}`,
    state: 'active',
    role,
    organization_url: self,
    organization: {
      login,
      id,
      node_id: nodeId('O', id),
      url: self,
      repos_url: `${self}/repos`,
      events_url: `${self}/events`,
      hooks_url: `${self}/hooks`,
      issues_url: `${self}/issues`,
      members_url: `${self}/members{/member}`,
      public_members_url: `${self}/public_members{/member}`,
      avatar_url: `${state.url}/avatars/u/${id}?v=4`,
      description: '',
    },
    user: userView(state, user),
  };
}

function privateUserView(state: State, { user }: UserToken) {
  return {
    ...userView(state, user),
    name: user.login,
    company: null,
    blog: '',
    location: null,
    email: null,
    hireable: null,
    bio: null,
    public_repos: 0,
    public_gists: 0,
    followers: 0,
    following: 0,
    created_at: '2020-01-01T00:00:00Z',
    updated_at: '2020-01-01T00:00:00Z',
  };
}
