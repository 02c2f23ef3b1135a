import type { Db } from '../store/connection.ts';

/** Returns the names of an organization and of one of its projects, also of deleted ones. */
export async function ownerNames(
  db: Db,
  { orgId, projectId }: { orgId: string; projectId: string | null },
): Promise<{ org: string | undefined; project: string | undefined }> {
  const org = await db('orgs').where({ id: orgId }).first('name');
  const project = projectId === null ? undefined : await db('projects').where({ id: projectId }).first('name');
  return { org: org?.name, project: project?.name };
}
