import { refreshWorkflowId } from '../domain/workflow-ids.ts';
import { commandsIn } from './commands.ts';
import type { Db } from './connection.ts';

export type Refresh = {
  githubAppId: string;
  /** GitHub's numbers of the installation and of the repositories that an event was about. */
  installation: number;
  repositories: number[];
};

/** A swarm of events is the sync's, which reads by the hundred; so is one with more repositories than these. */
const mostRepositories = 20;
const mostWaiting = 20;

/** Has what an event or a flow was about read from GitHub at once: the sync that follows, too, takes its time. */
export async function requestRefresh(trx: Db, causeId: string, refresh: Refresh): Promise<void> {
  if (refresh.repositories.length > mostRepositories) return;
  const waiting = await trx('commands')
    .where({ status: 'pending', workflow: 'refreshInstallation' })
    .limit(mostWaiting)
    .select('id');
  if (waiting.length === mostWaiting) return;
  await commandsIn(trx).add({
    action: 'start',
    workflow: 'refreshInstallation',
    workflowId: refreshWorkflowId(causeId),
    input: refresh,
    attributes: { Kind: 'refreshInstallation' },
    summary: `Read installation ${refresh.installation} of ${refresh.githubAppId}`,
  });
}
