import type { Fetch } from '../http.ts';
import { type AppCredentials, asApp } from './as-app.ts';
import type { Wire } from './client.ts';
import type { GitHubHost } from './host.ts';
import { withToken } from './with-token.ts';

/**
 * One GitHub: github.com, a tenant of ghe.com or an Enterprise Server. Holds no state and no secret of its own. Every
 * method sends one request, waits 10 s at most, retries nothing, and throws a `ProviderError`.
 */
export function createGitHub(options: { host: GitHubHost; fetch: Fetch; userAgent?: string; now?: () => number }) {
  const { host, fetch, userAgent = 'fairlead', now = Date.now } = options;
  const wire: Wire = { host, fetch, userAgent, now };
  return {
    host,
    asApp: (credentials: AppCredentials) => asApp(wire, credentials),
    withToken: (token: string) => withToken(wire, token),
  };
}

export type GitHub = ReturnType<typeof createGitHub>;
export type GitHubAsApp = ReturnType<GitHub['asApp']>;
export type GitHubWithToken = ReturnType<GitHub['withToken']>;
