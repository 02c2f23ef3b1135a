import { createGitHubBroker, type GitHubBroker } from '../../../broker/github/github.ts';
import { syncCommand } from '../../../db/github/installations.ts';
import { registerOperatorApp } from '../../../db/github/operator-app.ts';
import type { Database } from '../../../db/store/connection.ts';
import type { AllowedHost } from '../../../domain/connect/allowed-hosts.ts';
import { createGuardedFetch } from '../../../providers/egress/guarded-fetch.ts';
import type { App, GitHubStandIn } from '../../../stand-ins/github/stand-in.ts';
import { keyring } from '../hooks.ts';

/** A broker that reaches these stand-ins and nothing else. */
export function brokerTo(database: Database, ...standIns: GitHubStandIn[]): GitHubBroker {
  const allowedHosts = standIns.flatMap(originsOf);
  const fetch = createGuardedFetch({ allowedHosts, timeoutMs: 10_000, maxBytes: 20_000_000 });
  return createGitHubBroker({ database, keyring, fetch });
}

/** Its API may have a separate address. */
export function originsOf({ url, apiUrl }: GitHubStandIn): AllowedHost[] {
  return [{ origin: url }, { origin: new URL(apiUrl).origin }];
}

/** The operator's App, at the stand-in and here. */
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
