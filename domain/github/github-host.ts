export type GitHubFlavour = 'github.com' | 'ghec' | 'ghes';

/** The differences between GitHub hosts. URLs have no slash at the end. */
export type GitHubHost = {
  web: string;
  api: string;
  flavour: GitHubFlavour;
  /** `WEB/PREFIX/SLUG` is an App's public page. */
  appPathPrefix: '/apps' | '/github-apps';
  /** Sent with every request. Otherwise each host uses its own default. */
  apiVersion: string;
  /** How many inputs one workflow dispatch may have. */
  maxInputs: number;
  /** Whether a dispatch can return the run that it started. */
  returnsRunDetails: boolean;
};

/**
 * Returns the profile of github.com, of a tenant on ghe.com (API on `api.SUB.ghe.com`), or of an Enterprise Server (API
 * below `/api/v3`). The path of a separate API URL decides between them: only Enterprise Server has `/api/v3`, so a
 * proxy in front of github.com keeps github.com's features. Throws a TypeError for an invalid URL.
 */
export function githubHost(hostUrl: string, apiUrl?: string): GitHubHost {
  const web = new URL(hostUrl);
  const api = apiUrl === undefined ? usualApi(web) : trimmed(new URL(apiUrl));
  const flavour = flavourOf(web, api);
  const isServer = flavour === 'ghes';
  return {
    web: web.origin,
    api,
    flavour,
    appPathPrefix: isServer ? '/github-apps' : '/apps',
    apiVersion: '2022-11-28',
    // GitHub's OpenAPI documents of Enterprise Server 3.17 to 3.19: 10 inputs, and a dispatch returns 204 only.
    maxInputs: isServer ? 10 : 25,
    returnsRunDetails: !isServer,
  };
}

/**
 * The oldest Enterprise Server with everything that Fairlead needs, from GitHub's OpenAPI documents of each version.
 */
export const leastServerVersion = '3.17';

export function isSupportedServer(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [leastMajor = 0, leastMinor = 0] = leastServerVersion.split('.').map(Number);
  return major > leastMajor || (major === leastMajor && minor >= leastMinor);
}

function usualApi(web: URL): string {
  if (web.hostname === 'github.com') return 'https://api.github.com';
  if (web.hostname.endsWith('.ghe.com')) return `https://api.${web.host}`;
  return `${web.origin}/api/v3`;
}

function flavourOf(web: URL, api: string): GitHubFlavour {
  if (api.endsWith('/api/v3')) return 'ghes';
  return web.hostname.endsWith('.ghe.com') ? 'ghec' : 'github.com';
}

function trimmed(url: URL): string {
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}
