import type { GitHubHost } from '../../domain/github/github-host.ts';
import type { Fetch } from '../egress/guarded-fetch.ts';
import { type AppCredentials, asApp } from './app/as-app.ts';
import { convertManifest } from './app/conversion.ts';
import { asUser } from './as-user.ts';
import type { Wire } from './client.ts';
import { type CodeExchange, exchangeCode, isClientAccepted, revokeUserToken } from './oauth.ts';
import { serverVersion } from './server-version.ts';
import { freeTraffic, type Traffic } from './traffic.ts';
import { withToken } from './with-token.ts';

export type GitHubOptions = {
  host: GitHubHost;
  fetch: Fetch;
  userAgent?: string;
  now?: () => number;
  /** The timeout of each request. Octokit itself would wait forever. */
  timeoutMs?: number;
  /** Shared by all clients of this host. If absent, no request is held back. */
  traffic?: Traffic | undefined;
  /** The same for the host's pages. On github.com they have another address than the API. */
  webTraffic?: Traffic | undefined;
  /** A person waits for the answer. */
  urgent?: boolean | undefined;
};

/**
 * One GitHub: github.com, a tenant of ghe.com or an Enterprise Server. Holds no state and no secret. Every method sends
 * one request, waits at most 10 s, does not retry, and throws a `ProviderError`.
 */
export function createGitHub(options: GitHubOptions) {
  const { host, fetch, userAgent = 'fairlead', now = Date.now, timeoutMs = 10_000 } = options;
  const { traffic = freeTraffic(now), webTraffic = freeTraffic(now), urgent = false } = options;
  const wire: Wire = { host, fetch, userAgent, now, timeoutMs, traffic, webTraffic, urgent };
  return {
    host,
    asApp: (credentials: AppCredentials) => asApp(wire, credentials),
    /** `installationId` is GitHub's number. All tokens of an installation share its rate limit. */
    withToken: (token: string, installationId?: number) => withToken(wire, token, installationId),
    asUser: (token: string) => asUser(wire, token),
    serverVersion: () => serverVersion(wire),
    convertManifest: (code: string) => convertManifest(wire, code),
    exchangeCode: (wanted: CodeExchange) => exchangeCode(wire, wanted),
    revokeUserToken: (wanted: Parameters<typeof revokeUserToken>[1]) => revokeUserToken(wire, wanted),
    isClientAccepted: (client: Parameters<typeof isClientAccepted>[1]) => isClientAccepted(wire, client),
  };
}

export type { GitHubApp } from './app/as-app.ts';
export type GitHub = ReturnType<typeof createGitHub>;
export type GitHubAsApp = ReturnType<GitHub['asApp']>;
export type GitHubWithToken = ReturnType<GitHub['withToken']>;
