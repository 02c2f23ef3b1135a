import { connectGithubWorkflowId } from '../../domain/ops/workflow-ids.ts';
import { type Command, commandsIn } from '../store/commands.ts';
import type { Db } from '../store/connection.ts';
import type { ConnectFlow } from './connect-flows.ts';

type Subject = Pick<ConnectFlow, 'id' | 'orgId' | 'projectId' | 'kind' | 'hostUrl' | 'accountLogin' | 'status'>;

/**
 * Why Fairlead signals a flow: its row has changed, or an approval might exist. An approval might exist if GitHub has
 * announced an installation, or if the person has chosen the account that they asked.
 */
type News = 'changed' | 'installed';

/**
 * Makes the flow's workflow read the row again. If the workflow has ended, it starts again, sees that the flow has
 * ended, and completes.
 */
export async function nudgeFlow(trx: Db, flow: Subject, news: News = 'changed'): Promise<void> {
  // The caller may have read the row before it changed it.
  const row = await trx('connect_flows').where({ id: flow.id }).first('status');
  await commandsIn(trx).add(flowCommand({ ...flow, status: row?.status ?? flow.status }, news));
}

function flowCommand({ id, orgId, projectId, kind, hostUrl, accountLogin, status }: Subject, news: News): Command {
  return {
    action: 'signal_with_start',
    workflow: 'connectGithub',
    workflowId: connectGithubWorkflowId(id),
    signal: news,
    input: { flowId: id },
    attributes: { Kind: 'connectGithub', OrgId: orgId, ...(projectId && { ProjectId: projectId }), Phase: status },
    summary: `Connect ${accountLogin ?? 'an account'} at ${hostUrl} (${kind} GitHub App)`,
  };
}
