import { connectGithubWorkflowId } from '../../domain/ops/workflow-ids.ts';
import { type Command, commandsIn } from '../store/commands.ts';
import type { Db } from '../store/connection.ts';
import type { ConnectFlow } from './connect-flows.ts';

type Subject = Pick<ConnectFlow, 'id' | 'orgId' | 'projectId' | 'kind'>;

/** What a flow is told: its row has changed, or GitHub has told of an installation that may be the one it waits for. */
type News = 'changed' | 'installed';

/** Has the flow's workflow look at the row again. One that has ended is begun anew, sees that, and ends. */
export async function nudgeFlow(trx: Db, flow: Subject, news: News = 'changed'): Promise<void> {
  await commandsIn(trx).add(flowCommand(flow, news));
}

function flowCommand({ id, orgId, projectId, kind }: Subject, news: News): Command {
  return {
    action: 'signal_with_start',
    workflow: 'connectGithub',
    workflowId: connectGithubWorkflowId(id),
    signal: news,
    input: { flowId: id },
    attributes: { Kind: 'connectGithub', OrgId: orgId, ...(projectId && { ProjectId: projectId }) },
    summary: `Connect a GitHub account (${kind})`,
  };
}
