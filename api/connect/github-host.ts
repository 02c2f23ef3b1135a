import { listOperatorApps } from '../../db/github/bind-installation.ts';
import type { GithubApp } from '../../db/github/github-apps.ts';
import type { Db } from '../../db/store/connection.ts';
import { tenantHostUrl } from '../../domain/connect/host-url.ts';
import { githubHost, isSupportedServer, leastServerVersion } from '../../domain/github/github-host.ts';
import { askProvider } from '../http/ask-provider.ts';
import type { ConnectSettings, ImportCheck } from '../http/deps.ts';
import { Problem } from '../http/problems.ts';
import type { NewFlow } from './new-flow.ts';

type Host = { hostUrl: string; apiUrl: string };

/**
 * Refuses a GitHub version that is too old for later steps, before anything is created there. The addresses of
 * github.com and ghe.com are known. Fairlead asks any other host on behalf of `orgId`.
 */
export async function requireSupportedHost(
  connector: Pick<ImportCheck, 'serverVersion'>,
  host: Host,
  orgId: string,
): Promise<void> {
  const { flavour } = githubHost(host.hostUrl, host.apiUrl);
  const { hostname } = new URL(host.hostUrl);
  if (hostname === 'github.com' || flavour === 'ghec') return;
  const version = await askProvider(() => connector.serverVersion({ ...host, orgId }), 'host');
  if (version === undefined) return;
  const members = { version, least_version: leastServerVersion };
  if (!isSupportedServer(version)) {
    const advice = `${hostname} runs GitHub Enterprise Server ${version}. Update it to ${leastServerVersion} or newer.`;
    throw new Problem('host_not_supported', advice, { members });
  }
  // With this API address, Fairlead would treat the server as github.com, which supports more.
  if (flavour !== 'ghes') {
    const advice = `${hostname} is a GitHub Enterprise Server. Omit \`api_url\`, or send one that ends in /api/v3.`;
    throw new Problem('host_not_supported', advice, { members });
  }
}

/** Returns the host of a new App or of the operator's App. For an App that is already connected, the host is known. */
export async function hostToBe(db: Db, connect: ConnectSettings, body: NewFlow): Promise<Host | undefined> {
  if (body.app === 'manifest') return hostOf(connect, body);
  return body.app === 'operator' ? newestOperatorApp(db) : undefined;
}

/** Returns the addresses of the GitHub host in the body, or of the default one. Refuses a host that is not allowed. */
export function hostOf(
  { allowedHosts, defaultHost }: ConnectSettings,
  { host_url: web = defaultHost.hostUrl, api_url: api }: Pick<NewFlow, 'host_url' | 'api_url'>,
): { hostUrl: string; apiUrl: string } {
  const hostUrl = tenantHostUrl(web, allowedHosts);
  const usual = hostUrl === defaultHost.hostUrl ? defaultHost.apiUrl : hostUrl && githubHost(hostUrl).api;
  const apiUrl = api?.replace(/\/+$/, '') ?? usual;
  // The API of a host decides what its Apps are. Prevents a tenant from sending a foreign API for a host that it does
  // not own.
  const origin = apiUrl !== undefined && URL.canParse(apiUrl) ? new URL(apiUrl).origin : '';
  const isItsOwn = hostUrl && apiUrl && (apiUrl === usual || origin === hostUrl);
  if (isItsOwn && tenantHostUrl(origin, allowedHosts)) return { hostUrl, apiUrl };
  const advice =
    'Send `https://` and the public name of the host. The operator can allow other hosts with FAIRLEAD_ALLOWED_HOSTS.';
  throw new Problem('host_not_allowed', advice);
}

/** Returns the operator's App that is configured now. */
export async function newestOperatorApp(db: Db): Promise<GithubApp | undefined> {
  return (await listOperatorApps(db)).at(-1);
}
