import { MockActivityEnvironment } from '@temporalio/testing';
import { withFailures } from '../../activities/failures.ts';
import { installationActivities } from '../../activities/installations.ts';
import { repositoryActivities } from '../../activities/repositories.ts';
import { createGitHubBroker, type GitHubBroker } from '../../broker/github.ts';
import type { Database } from '../../db/connection.ts';
import { syncCommand } from '../../db/installations.ts';
import { registerOperatorApp } from '../../db/operator-app.ts';
import type { AllowedHost } from '../../domain/allowed-hosts.ts';
import { createGuardedFetch } from '../../providers/http.ts';
import type { App, GitHubStandIn } from '../../stand-ins/github/stand-in.ts';
import { keyring } from './hooks.ts';

/** A broker that reaches these stand-ins and nothing else. */
export function brokerTo(database: Database, ...standIns: GitHubStandIn[]): GitHubBroker {
  const allowedHosts = standIns.flatMap(originsOf);
  const fetch = createGuardedFetch({ allowedHosts, timeoutMs: 10_000, maxBytes: 20_000_000 });
  return createGitHubBroker({ database, keyring, fetch });
}

/** Its API may be at an address of its own. */
export function originsOf({ url, apiUrl }: GitHubStandIn): AllowedHost[] {
  return [{ origin: url }, { origin: new URL(apiUrl).origin }];
}

/** The operator's App: at the stand-in and here. */
export async function addOperatorApp(
  database: Database,
  github: GitHubStandIn,
  { hostUrl = 'https://github.com', theirs = github.addApp() }: { hostUrl?: string; theirs?: App } = {},
) {
  const settings = {
    appId: theirs.appId,
    slug: theirs.slug,
    hostUrl,
    apiUrl: github.apiUrl,
    privateKey: theirs.privateKey,
    webhookSecret: theirs.webhookSecret,
  };
  const { id } = await registerOperatorApp(database, keyring, settings, syncCommand);
  return { id, theirs };
}

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

/** One pass of a sync, as the workflow goes about it where nothing fails. */
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
