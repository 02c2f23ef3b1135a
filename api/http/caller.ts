import type { ApiToken } from '../../db/people/tokens.ts';
import type { Membership, User } from '../../db/people/users.ts';
import { everything, type TenantScope } from '../../db/store/tenant.ts';
import { scopes as allScopes, roleScopes, type Scope } from '../../domain/people/scopes.ts';
import { Problem } from './problems.ts';

export type Grant = { orgId: string; projectId?: string; scopes: ReadonlySet<Scope> };

/** The caller of a request, and its permissions. */
export type Caller = {
  /** `operator`, `user:user_…` or `token:tok_…`: the actor of the audit log. */
  id: string;
  kind: 'operator' | 'session' | 'token';
  userId?: string;
  sessionId?: string;
  tokenId?: string;
  grants: Grant[];
  /** Set for a token of one app or of one build. Routes without `forNarrow` refuse such a token. */
  narrowedTo?: { appId: string; buildId: string | null };
  /** True for operators of the instance, which are outside the organizations. */
  ops: boolean;
};

/** The permission that a route requires. */
export type Access = Scope | 'public' | 'signed_in';

export const operator: Caller = { id: 'operator', kind: 'operator', grants: [], ops: true };

export function callerOfUser(user: User & { memberships: Membership[] }, sessionId: string): Caller {
  return {
    id: `user:${user.id}`,
    kind: 'session',
    userId: user.id,
    sessionId,
    grants: user.memberships.map(({ orgId, role }) => ({ orgId, scopes: new Set(roleScopes[role]) })),
    ops: user.ops,
  };
}

export function callerOfToken(token: ApiToken): Caller {
  const where = token.projectId === null ? {} : { projectId: token.projectId };
  return {
    id: `token:${token.id}`,
    kind: 'token',
    tokenId: token.id,
    grants: [{ orgId: token.orgId, ...where, scopes: new Set(token.scopes) }],
    ...(token.appId !== null && { narrowedTo: { appId: token.appId, buildId: token.buildId } }),
    ops: false,
  };
}

/**
 * Returns the organizations and projects in which the caller has the scope. Refuses a caller that has it nowhere,
 * before any look-up. The operator's token reaches everything. A person who operates the instance can read everything,
 * but needs a role in an organization to change anything there.
 */
export function tenantFor(caller: Caller, access: Exclude<Access, 'public'>): TenantScope {
  if (caller.kind === 'operator') return everything;
  if (caller.ops && (access === 'ops' || access === 'signed_in' || access.endsWith(':read'))) return everything;
  const grants = caller.grants.filter(({ scopes }) => access === 'signed_in' || scopes.has(access));
  if (grants.length === 0 && access !== 'signed_in') {
    throw new Problem('missing_scope', `You need the scope ${access}.`);
  }
  return { kind: 'grants', grants: grants.map(({ orgId, projectId }) => ({ orgId, projectId })) };
}

/** Requires an administrator for changes that affect the organization and all its projects. */
export function requireOrgAdmin(caller: Caller, orgId: string): void {
  if (!scopesIn(caller, orgId).has('org:admin')) throw new Problem('missing_scope', 'You need the scope org:admin.');
}

/** Returns the scopes that the caller can pass on in this organization (and project). */
export function scopesIn(caller: Caller, orgId: string, projectId?: string): ReadonlySet<Scope> {
  if (caller.kind === 'operator') return new Set(allScopes);
  const grants = caller.grants.filter(
    (grant) => grant.orgId === orgId && (grant.projectId === undefined || grant.projectId === projectId),
  );
  return new Set(grants.flatMap(({ scopes }) => [...scopes]));
}
