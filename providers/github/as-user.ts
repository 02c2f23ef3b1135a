import { idIn, nextPage, orUndefined, pageIn, perPage, send, tokenRequest, type Wire } from './client.ts';
import type { Call } from './failures.ts';

export type Membership = {
  role: 'admin' | 'member' | 'billing_manager';
  state: 'active' | 'pending';
  organizationId: number;
};

/** A person sees few installations, so the search ends after this many. */
const mostPages = 10;

/** The calls with a person's own token: who they are, and what they administer. The token stays inside. */
export function asUser(wire: Wire, token: string) {
  const request = tokenRequest(wire, token);
  const call: Call = { as: 'token', method: 'GET', secrets: [token], now: wire.now };

  return {
    getUser(): Promise<{ id: number; login: string }> {
      return send(
        call,
        () => request('GET /user'),
        (data) => ({ id: idIn(data), login: data.login }),
      );
    },

    /** Undefined if the person is not a member. Throws `permission_missing` if the App may not read members. */
    getMembership(login: string): Promise<Membership | undefined> {
      const sent = send(
        call,
        () => request('GET /user/memberships/orgs/{org}', { org: login }),
        ({ role, state, organization }) => ({ role, state, organizationId: idIn(organization) }),
      );
      return orUndefined(sent);
    },

    /** Proves only that the person can see the installation: every member of an organization can. */
    async seesInstallation(installationId: number): Promise<boolean> {
      for (let page: number | undefined = 1; page !== undefined && page <= mostPages; ) {
        const { ids, next }: { ids: number[]; next: number | undefined } = await send(
          call,
          () => request('GET /user/installations', { per_page: perPage, page }),
          (data, answer) => ({ ids: pageIn(data.installations).map(idIn), next: nextPage(answer, page) }),
        );
        if (ids.includes(installationId)) return true;
        page = next;
      }
      return false;
    },
  };
}
