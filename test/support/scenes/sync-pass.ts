import { MockActivityEnvironment } from '@temporalio/testing';
import { withFailures } from '../../../activities/failures.ts';
import { installationActivities } from '../../../activities/github/installations.ts';
import { repositoryActivities } from '../../../activities/github/repositories.ts';
import type { GitHubBroker } from '../../../broker/github/github.ts';
import type { Database } from '../../../db/store/connection.ts';

export function syncActivities(database: Database, broker: GitHubBroker) {
  const environment = new MockActivityEnvironment();
  const activities = withFailures({
    ...installationActivities({ database, broker }),
    ...repositoryActivities({ database, broker }),
  });
  type Name = keyof typeof activities;
  const bound = Object.entries(activities).map(([name, activity]) => [
    name,
    (input: never) => environment.run(activity as (input: never) => Promise<unknown>, input),
  ]);
  return Object.fromEntries(bound) as { [One in Name]: (typeof activities)[One] };
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
