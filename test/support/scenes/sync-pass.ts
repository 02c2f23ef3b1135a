import { MockActivityEnvironment } from '@temporalio/testing';
import { withFailures } from '../../../activities/failures.ts';
import { installationActivities } from '../../../activities/github/installations.ts';
import { repositoryActivities } from '../../../activities/github/repositories.ts';
import type { GitHubBroker } from '../../../broker/github/github.ts';
import { requestSync } from '../../../db/github/installations.ts';
import type { Database } from '../../../db/store/connection.ts';

export function syncActivities(database: Database, broker: GitHubBroker) {
  const environment = new MockActivityEnvironment();
  const activities = withFailures({
    ...installationActivities({ database, broker }),
    ...repositoryActivities({ database, broker }),
  });
  type Name = keyof typeof activities;
  type Bound = [string, (input: never) => Promise<unknown>];
  const bound = Object.entries(activities).map(
    ([name, activity]): Bound => [
      name,
      (input: never) => environment.run(activity as (input: never) => Promise<unknown>, input),
    ],
  );
  // A pass begins only if there is a request.
  const { beginSync } = Object.fromEntries(bound);
  bound.push([
    'beginSync',
    (input: never) =>
      requestPass(database, (input as { githubAppId: string }).githubAppId).then(() => beginSync?.(input)),
  ]);
  return Object.fromEntries(bound) as { [One in Name]: (typeof activities)[One] };
}

/** Requests a sync. */
async function requestPass(database: Database, githubAppId: string): Promise<void> {
  await database.write((trx) => requestSync(trx, githubAppId));
}

/** Runs one pass of a sync, as the workflow does when nothing fails. */
export async function sync(database: Database, broker: GitHubBroker, githubAppId: string): Promise<void> {
  const activities = syncActivities(database, broker);
  const readRepositories = async (installationId: string, again?: 'read_whole' | 'read_changes') => {
    for (let page: number | null = 1; page !== null; ) {
      const whole = again === 'read_whole';
      const read: { next: number | null; cutOff: boolean } = await activities.syncRepositoryPage({
        installationId,
        page,
        whole,
      });
      if (read.cutOff) return;
      page = read.next;
    }
    const outcome = await activities.finishRepositories({ githubAppId, installationId, again: again !== undefined });
    if (outcome !== 'done') await readRepositories(installationId, outcome);
  };

  await activities.beginSync({ githubAppId });
  let unreadable = 0;
  for (let page: number | null = 1; page !== null; ) {
    const installations: { readable: string[]; unreadable: number; next: number | null } =
      await activities.syncInstallationPage({ githubAppId, page });
    for (const installationId of installations.readable) await readRepositories(installationId);
    unreadable += installations.unreadable;
    page = installations.next;
  }
  const { readable } = await activities.confirmInstallations({ githubAppId });
  for (const installationId of readable) await readRepositories(installationId);
  await activities.finishSync({ githubAppId, unreadable });
}
