import { refreshWorkflowId } from '../../domain/ops/workflow-ids.ts';
import { commandsIn } from '../store/commands.ts';
import type { Db } from '../store/connection.ts';
import { jsonText } from '../store/postgres.ts';

export type Refresh = {
  githubAppId: string;
  /** GitHub's IDs of the installation and of the repositories that an event was about. */
  installation: number;
  repositories: number[];
};

/**
 * A single refresh reads at most this many repositories. Larger events and bursts of events are left to the sync, which
 * reads a hundred per request.
 */
const mostRepositories = 20;
/**
 * How many refreshes can be pending for an installation and for an App. The limit for an App matters if an organization
 * runs its GitHub host: such a host can name any number of installations.
 */
const mostWaiting = { installation: 20, app: 500 };

/**
 * Requests to read from GitHub at once what an event or a flow was about, because the sync that follows takes longer.
 */
export async function requestRefresh(trx: Db, causeId: string, refresh: Refresh): Promise<void> {
  if (refresh.repositories.length > mostRepositories) return;
  if (await isSwarm(trx, refresh)) return;
  await commandsIn(trx).add({
    action: 'start',
    workflow: 'refreshInstallation',
    workflowId: refreshWorkflowId(causeId),
    input: refresh,
    attributes: { Kind: 'refreshInstallation' },
    summary: `Read installation ${refresh.installation} of ${refresh.githubAppId}`,
  });
}

/** Returns whether a command has started this workflow with this input. */
export async function isRefreshRequested(db: Db, workflowId: string, refresh: Refresh): Promise<boolean> {
  const textOf = ({ githubAppId, installation, repositories }: Refresh) =>
    JSON.stringify([githubAppId, installation, repositories]);
  const rows = await db('commands').where({ workflow_id: workflowId, workflow: 'refreshInstallation' }).select('input');
  return rows.some(({ input }) => textOf(JSON.parse(input) as Refresh) === textOf(refresh));
}

async function isSwarm(trx: Db, { githubAppId, installation }: Refresh): Promise<boolean> {
  const of = (name: keyof Refresh) => jsonText(trx, 'input', name);
  const waiting = await trx('commands')
    .where({ status: 'pending', workflow: 'refreshInstallation' })
    .whereRaw(`${of('githubAppId')} = ?`, [githubAppId])
    .limit(mostWaiting.app)
    .select<{ installation: string }[]>(trx.raw(`${of('installation')} as installation`));
  const ofInstallation = waiting.filter((one) => one.installation === String(installation));
  return waiting.length >= mostWaiting.app || ofInstallation.length >= mostWaiting.installation;
}

/** Fairlead asks GitHub within seconds of an event. After this long without an answer it believes the event. */
const patienceMs = 10 * 60_000;

/**
 * Returns whether only an event has reported the repository as removed, or its installation as removed or suspended.
 */
export async function isUnconfirmed(db: Db, repositoryId: string): Promise<boolean> {
  const since = Date.now() - patienceMs;
  const found = await db('repositories')
    .join('installations', 'installations.id', 'repositories.installation_id')
    .where('repositories.id', repositoryId)
    .where((either) => {
      either.where('repositories.unconfirmed_at', '>', since).orWhere('installations.unconfirmed_at', '>', since);
    })
    .first('repositories.id');
  return found !== undefined;
}
