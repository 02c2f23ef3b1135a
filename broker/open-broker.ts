import type { Config } from '../config.ts';
import type { Store } from '../db/open-store.ts';
import { githubHost } from '../domain/github-host.ts';
import { createGuardedFetch } from '../providers/http.ts';
import { createGitHubBroker, type GitHubBroker } from './github.ts';

const limits = { timeoutMs: 30_000, maxBytes: 20 * 1024 * 1024 };

/** The broker, with the one way out: what the operator configured may be private and plain, nothing else may. */
export function openBroker(config: Config, { database, keyring }: Store): GitHubBroker {
  const app = operatorApp(config);
  const operators = [app?.hostUrl, app?.apiUrl].filter((url) => url !== undefined);
  const fetch = createGuardedFetch({
    allowedHosts: [...config.allowedHosts, ...operators.map((url) => ({ origin: new URL(url).origin }))],
    ...(config.caFile !== undefined && { caFile: config.caFile }),
    ...limits,
  });
  return createGitHubBroker({ database, keyring, fetch });
}

/** The configured App, with the address of its host's API. */
export function operatorApp({ github }: Config) {
  return github && { ...github, apiUrl: githubHost(github.hostUrl, github.apiUrl).api };
}
