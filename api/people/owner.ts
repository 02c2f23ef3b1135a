import type { ConnectFlow } from '../../db/connect/connect-flows.ts';
import type { Db } from '../../db/store/connection.ts';

/** Whose the connection will be, as a person knows it. */
export async function ownerNameOf(
  db: Db,
  { orgId, projectId }: Pick<ConnectFlow, 'orgId' | 'projectId'>,
): Promise<string> {
  const org = await db('orgs').where({ id: orgId }).first('name');
  const project = projectId === null ? undefined : await db('projects').where({ id: projectId }).first('name');
  const name = org?.name ?? orgId;
  return project ? `the project ${project.name} of ${name}` : `the organization ${name}`;
}
