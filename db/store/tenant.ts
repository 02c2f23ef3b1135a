import type { Knex } from 'knex';

/**
 * What a caller can see. Repositories of tenants' rows require a scope, so that no query can forget it. A row of
 * another tenant looks as if it did not exist.
 */
export type TenantScope = { kind: 'everything' } | { kind: 'grants'; grants: readonly Grant[] };
type Grant = { orgId: string; projectId?: string | undefined };

/** For Fairlead's own work, which follows IDs that were authorized when they were stored, and for operators. */
export const everything: TenantScope = { kind: 'everything' };

type Columns = { org: string; project?: string };

/** Limits a query to the rows that the scope covers. `project` is the column with the project, if the table has one. */
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
  // Without a grant, the query returns no rows.
  if (!grant) query.whereRaw('1 = 0');
  // An OR can prevent the use of an index, so the usual case of a single grant has none.
  else if (others.length === 0) query.where((one) => only(one, grant));
  else
    query.where((any) => {
      for (const each of scope.grants) any.orWhere((one) => only(one, each));
    });
  return query;
}

/** Returns whether the scope covers a new row of this organization and project. */
export function covers(scope: TenantScope, orgId: string, projectId?: string): boolean {
  if (scope.kind === 'everything') return true;
  return scope.grants.some(
    (grant) => grant.orgId === orgId && (grant.projectId === undefined || grant.projectId === projectId),
  );
}
