import type { ConnectFlow } from '../../db/connect/connect-flows.ts';
import { projectsFor } from '../../db/people/projects.ts';
import type { Db } from '../../db/store/connection.ts';
import { covers, type TenantScope } from '../../db/store/tenant.ts';
import { type Caller, requireOrgAdmin } from '../http/caller.ts';
import { Problem } from '../http/problems.ts';

/** Returns the owner's name for a page, for example "the project shop of acme". */
export async function ownerNameOf(
  db: Db,
  { orgId, projectId }: Pick<ConnectFlow, 'orgId' | 'projectId'>,
): Promise<string> {
  const org = await db('orgs').where({ id: orgId }).first('name');
  const project = projectId === null ? undefined : await db('projects').where({ id: projectId }).first('name');
  const name = org?.name ?? orgId;
  return project ? `the project ${project.name} of ${name}` : `the organization ${name}`;
}

export type Asking = { tenant: TenantScope; caller: Caller };

/** The owner that a request body names. */
type NamedOwner = { project_id?: string | undefined; org_id?: string | undefined };

export type Owner = { orgId: string; projectId: string | null };

/** Returns a project of the caller's, or the organization if the caller administers it. */
export async function ownerOf(
  db: Db,
  { tenant, caller }: Asking,
  { project_id: projectId, org_id: orgId }: NamedOwner,
): Promise<Owner> {
  const projects = projectsFor(db, tenant);
  if (projectId !== undefined) {
    const project = await projects.find(projectId);
    if (!project || (orgId !== undefined && orgId !== project.orgId)) throw new Problem('not_found');
    return { orgId: project.orgId, projectId };
  }
  if (orgId !== undefined) {
    const isThere = await db('orgs').where({ id: orgId }).whereNull('deleted_at').first('id');
    if (!isThere || !covers(tenant, orgId)) throw new Problem('not_found');
    requireOrgAdmin(caller, orgId);
    return { orgId, projectId: null };
  }
  const { items } = await projects.list({ limit: 2 });
  const [only, another] = items;
  if (only && !another) return { orgId: only.orgId, projectId: only.id };
  throw new Problem('invalid_request', 'Send `project_id`, or `org_id` for the whole organization.');
}
