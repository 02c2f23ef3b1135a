/** The URLs of GitHub's web pages for a person's browser. `web` is the host's origin. */

/** Where the form with a manifest is posted: to the settings of a person or of an organization. */
export function manifestFormUrl(
  web: string,
  { organization, state }: { organization?: string; state: string },
): string {
  const owner = organization === undefined ? '' : `/organizations/${segment(organization)}`;
  return `${web}${owner}/settings/apps/new?${new URLSearchParams({ state })}`;
}

export type InstallPage = {
  web: string;
  /** Enterprise Server uses another path for Apps: see `githubHost`. */
  appPathPrefix: string;
  slug: string;
  state: string;
  /** GitHub's number of an account, which preselects it. */
  targetId?: number;
};

export function installUrl({ web, appPathPrefix, slug, state, targetId }: InstallPage): string {
  const page = `${web}${appPathPrefix}/${segment(slug)}/installations/new`;
  if (targetId === undefined) return `${page}?${new URLSearchParams({ state })}`;
  return `${page}/permissions?${new URLSearchParams({ target_id: String(targetId), state })}`;
}

/** Where a person lets the App identify them. `challenge` is PKCE's, created with S256. */
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

export type AppPage = Pick<InstallPage, 'web' | 'appPathPrefix' | 'slug'> & {
  /** The organization that owns the App. Null if a person owns it, undefined if the owner is unknown. */
  organization?: string | null | undefined;
};

/** The page with an App's keys and secrets, or else its public page, which leads its owners there. */
export function appSettingsUrl({ web, appPathPrefix, slug, organization }: AppPage): string {
  if (organization === undefined) return `${web}${appPathPrefix}/${segment(slug)}`;
  const owner = organization === null ? '' : `/organizations/${segment(organization)}`;
  return `${web}${owner}/settings/apps/${segment(slug)}`;
}

/** Where an owner of the account configures or uninstalls an installation. */
export function installationSettingsUrl(
  web: string,
  { organization, installationId }: { organization?: string | undefined; installationId: number },
): string {
  const owner = organization === undefined ? '' : `/organizations/${segment(organization)}`;
  return `${web}${owner}/settings/installations/${installationId}`;
}

/** Where the account's owner approves new permissions of the App. `accountType` is GitHub's. */
export function permissionsUpdateUrl(
  web: string,
  { accountLogin, accountType, installationId }: { accountLogin: string; accountType: string; installationId: number },
): string {
  const organization = accountType === 'User' ? undefined : accountLogin;
  return `${installationSettingsUrl(web, { organization, installationId })}/permissions/update`;
}

/** Prevents encodeURIComponent from throwing for a lone surrogate in a name, which can come from any GitHub host. */
function segment(name: string): string {
  return encodeURIComponent(name.toWellFormed());
}
