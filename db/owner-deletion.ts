import type { Transaction } from './connection.ts';
import { operationsIn } from './operations.ts';
import type { IntegrationRow } from './tables.ts';
import { everything } from './tenant.ts';

/** Ends the deletion of the project, and of the organization, whose last integration has gone. */
export async function finishOwners(
  trx: Transaction,
  { org_id: orgId, project_id: projectId }: Pick<IntegrationRow, 'org_id' | 'project_id'>,
): Promise<void> {
  if (projectId !== null) await finishOwner(trx, projectId, { project_id: projectId });
  await finishOwner(trx, orgId, { org_id: orgId });
}

async function finishOwner(trx: Transaction, subjectId: string, owned: Partial<IntegrationRow>): Promise<void> {
  const left = await trx('integrations').where(owned).where({ status: 'deleting' }).first('id');
  if (!left) await operationsIn(trx, everything).finish({ kind: 'delete', subjectId });
}
