import type { Config } from '../config.ts';
import { reportUnreadable } from '../db/ops/unreadable-secrets.ts';
import type { Store } from '../db/store/open-store.ts';
import type { Logger } from '../log.ts';
import { createGuardedFetch, type Fetch } from '../providers/egress/guarded-fetch.ts';
import type { CloudAccounts } from './clouds/cloud-accounts.ts';
import type { GoogleConsents } from './clouds/google-consent.ts';
import { createOidcIssuer, type OidcIssuer } from './clouds/oidc-issuer.ts';
import { createGitHubConnector, type GitHubConnector } from './connect/github-connect.ts';
import { createGitTokens, type GitTokens } from './exchange/git-tokens.ts';
import type { ImageCredentials } from './exchange/image-credentials.ts';
import { createGitHubBroker, type GitHubBroker } from './github/github.ts';
import { createMintBudget } from './mint-budget.ts';
import { openRegistries } from './open-registries.ts';
import { providerKeyring } from './provider-keyring.ts';
import type { RegistryAccess } from './registries/registry-access.ts';
import { createTraffic, type TrafficControl } from './traffic/traffic.ts';
import { watchTraffic } from './traffic/watch.ts';

/** A page of a hundred entries takes one or two megabytes. Requests that need other limits set their own. */
const limits = { timeoutMs: 30_000, maxBytes: 4 * 1024 * 1024 };

/** Returns the only fetch of the process. It reaches private or plain-HTTP addresses only if the operator allows them. */
function openFetch(config: Config): Fetch {
  return createGuardedFetch({
    allowedHosts: config.allowedHosts,
    proxy: config.proxy,
    ...(config.caFile !== undefined && { caFile: config.caFile }),
    ...limits,
  });
}

export type Brokers = {
  broker: GitHubBroker;
  connector: GitHubConnector;
  gitTokens: GitTokens;
  issuer: OidcIssuer;
  registryAccess: RegistryAccess;
  imageCredentials: ImageCredentials;
  cloudAccounts: CloudAccounts;
  googleConsents: GoogleConsents;
  traffic: TrafficControl;
};

/** Opens everything with which a process calls providers, and reports each secret that does not open there. */
export function openBrokers(config: Config, store: Store, logger: Logger): Brokers {
  const { database } = store;
  store.keyring.onUnreadable(reportUnreadable(database));
  const keyring = providerKeyring(store.keyring);
  const fetch = openFetch(config);
  const onTrouble = (code: string) => logger.warn({ code }, 'A person’s token could not be revoked');
  const traffic = createTraffic({ watch: watchTraffic(database, logger) });
  const budget = createMintBudget();
  const broker = createGitHubBroker({ database, keyring, fetch, traffic, budget });
  const issuer = createOidcIssuer({ database, keyring, publicUrl: config.publicUrl });
  return {
    broker,
    gitTokens: createGitTokens({ database, keyring, broker, budget }),
    connector: createGitHubConnector({ database, keyring, fetch, traffic, onTrouble }),
    issuer,
    ...openRegistries(config, { ...store, keyring }, { issuer, allowedHosts: config.allowedHosts }),
    traffic,
  };
}
