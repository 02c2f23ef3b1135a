/** Addresses of GitHub's web pages that a person's browser is sent to. `web` is the host's origin. */

/** Where the form with a manifest is posted: to a person's own settings, or to an organization's. */
export function manifestFormUrl(
  web: string,
  { organization, state }: { organization?: string; state: string },
): string {
  const owner = organization === undefined ? '' : `/organizations/${encodeURIComponent(organization)}`;
  return `${web}${owner}/settings/apps/new?${new URLSearchParams({ state })}`;
}

export type InstallPage = {
  web: string;
  /** Enterprise Server has its Apps elsewhere: see `githubHost`. */
  appPathPrefix: string;
  slug: string;
  state: string;
  /** GitHub's number of an account: skips the choice of one. */
  targetId?: number;
};

export function installUrl({ web, appPathPrefix, slug, state, targetId }: InstallPage): string {
  const page = `${web}${appPathPrefix}/${encodeURIComponent(slug)}/installations/new`;
  if (targetId === undefined) return `${page}?${new URLSearchParams({ state })}`;
  return `${page}/permissions?${new URLSearchParams({ target_id: String(targetId), state })}`;
}

/** Where a person agrees that the App may know who they are. `challenge` is PKCE's, made with S256. */
export function authorizeUrl(page: {
  web: string;
  clientId: string;
  redirectUri: string;
  state: string;
  challenge?: string;
}): string {
  const query = new URLSearchParams({ client_id: page.clientId, redirect_uri: page.redirectUri, state: page.state });
  if (page.challenge !== undefined) {
    query.set('code_challenge', page.challenge);
    query.set('code_challenge_method', 'S256');
  }
  return `${page.web}/login/oauth/authorize?${query}`;
}
