import { deleteWorkflowId } from '../../domain/ops/workflow-ids.ts';
import { integrationName } from '../integrations/integration-name.ts';
import type { Command } from '../store/commands.ts';
import type { Db } from '../store/connection.ts';

type Deleted = { id: string; orgId: string; projectId: string | null };

/** Returns the command that starts the workflow of a deletion. */
export async function deletionCommand(db: Db, { id, orgId, projectId }: Deleted): Promise<Command> {
  const row = await db('integrations').where({ id }).first('revocation');
  return {
    action: 'start',
    workflow: 'deleteIntegration',
    workflowId: deleteWorkflowId(id),
    input: { integrationId: id },
    attributes: {
      OrgId: orgId,
      ...(projectId !== null && { ProjectId: projectId }),
      IntegrationId: id,
      Kind: 'deleteIntegration',
      Phase: 'deleting',
    },
    summary: `Delete ${await integrationName(db, id)} (revocation: ${row?.revocation ?? 'auto'})`,
  };
}
