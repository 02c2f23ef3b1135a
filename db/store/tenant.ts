import type { Knex } from 'knex';

/**
 * What a caller may see. Repositories of tenants' rows are bound to one of these, so that a query without it cannot
 * be written by accident; another tenant's row looks the same as none.
 */
export type TenantScope = { kind: 'everything' } | { kind: 'grants'; grants: readonly Grant[] };
type Grant = { orgId: string; projectId?: string | undefined };

/** For our own work, which follows ids that were authorized when they were written down, and for the operators. */
export const everything: TenantScope = { kind: 'everything' };

type Columns = { org: string; project?: string };

/** Narrows a query to the rows that the scope covers. `project` is the column of tables whose rows belong to one. */
export function within<Query extends Knex.QueryBuilder>(
  scope: TenantScope,
  query: Query,
  { org, project }: Columns = { org: 'org_id', project: 'project_id' },
): Query {
  if (scope.kind === 'everything') return query;
  const only = (one: Knex.QueryBuilder, { orgId, projectId }: Grant) => {
    one.where(org, orgId);
    if (projectId === undefined) return;
    if (project) one.where(project, projectId);
    else one.whereRaw('1 = 0');
  };
  const [grant, ...others] = scope.grants;
  // No grant, no row.
  if (!grant) query.whereRaw('1 = 0');
  // An index is only used where nothing else is possible, so what is usual is said without an alternative.
  else if (others.length === 0) query.where((one) => only(one, grant));
  else
    query.where((any) => {
      for (const each of scope.grants) any.orWhere((one) => only(one, each));
    });
  return query;
}

/** Whether a new row of this org and project would lie inside the scope. */
export function covers(scope: TenantScope, orgId: string, projectId?: string): boolean {
  if (scope.kind === 'everything') return true;
  return scope.grants.some(
    (grant) => grant.orgId === orgId && (grant.projectId === undefined || grant.projectId === projectId),
  );
}
