import type { ConnectFlow } from '../../db/connect/connect-flows.ts';
import { orgsFor } from '../../db/people/orgs.ts';
import { ownerNames } from '../../db/people/owner-names.ts';
import { projectsFor } from '../../db/people/projects.ts';
import type { Db } from '../../db/store/connection.ts';
import type { TenantScope } from '../../db/store/tenant.ts';
import { type Caller, requireOrgAdmin } from '../http/caller.ts';
import { Problem } from '../http/problems.ts';

/** Returns the owner's name for a page, for example "the project shop of the organization acme". */
export async function ownerNameOf(
  db: Db,
  { orgId, projectId }: Pick<ConnectFlow, 'orgId' | 'projectId'>,
): Promise<string> {
  const { org = orgId, project } = await ownerNames(db, { orgId, projectId });
  return project === undefined ? `the organization ${org}` : `the project ${project} of the organization ${org}`;
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
    if (!(await orgsFor(db, tenant).find(orgId))) throw new Problem('not_found');
    requireOrgAdmin(caller, orgId);
    return { orgId, projectId: null };
  }
  const { items } = await projects.list({ limit: 2 });
  const [only, another] = items;
  if (only && !another) return { orgId: only.orgId, projectId: only.id };
  throw new Problem('invalid_request', 'Send `project_id`, or `org_id` for the whole organization.');
}
