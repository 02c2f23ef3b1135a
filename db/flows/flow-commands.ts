import { connectGithubWorkflowId } from '../../domain/workflow-ids.ts';
import { type Command, commandsIn } from '../commands.ts';
import type { Db } from '../connection.ts';
import type { ConnectFlow } from './connect-flows.ts';

type Subject = Pick<ConnectFlow, 'id' | 'orgId' | 'projectId' | 'kind'>;

/** Has the flow's workflow look at the row again. One that has ended is begun anew, sees that, and ends. */
export async function nudgeFlow(trx: Db, flow: Subject): Promise<void> {
  await commandsIn(trx).add(flowCommand(flow));
}

function flowCommand({ id, orgId, projectId, kind }: Subject): Command {
  return {
    action: 'signal_with_start',
    workflow: 'connectGithub',
    workflowId: connectGithubWorkflowId(id),
    signal: 'changed',
    input: { flowId: id },
    attributes: { Kind: 'connectGithub', OrgId: orgId, ...(projectId && { ProjectId: projectId }) },
    summary: `Connect a GitHub account (${kind})`,
  };
}
