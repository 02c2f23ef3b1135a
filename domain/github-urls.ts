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

export type AppPage = Pick<InstallPage, 'web' | 'appPathPrefix' | 'slug'> & {
  /** The organization that owns the App; null where it is a person's, and undefined where that is not known. */
  organization?: string | null | undefined;
};

/** Where an App's keys and secrets are made and deleted, or else its public page, which leads its owners there. */
export function appSettingsUrl({ web, appPathPrefix, slug, organization }: AppPage): string {
  if (organization === undefined) return `${web}${appPathPrefix}/${encodeURIComponent(slug)}`;
  const owner = organization === null ? '' : `/organizations/${encodeURIComponent(organization)}`;
  return `${web}${owner}/settings/apps/${encodeURIComponent(slug)}`;
}

export type InstallationPage = {
  web: string;
  accountLogin: string;
  /** `Organization`, `User` or `Enterprise`. */
  targetType: string;
  /** GitHub's number. */
  installationId: number;
};

/** Where an account's owner sees what an App may do, and takes the App away. */
export function installationSettingsUrl({ web, accountLogin, targetType, installationId }: InstallationPage): string {
  const login = encodeURIComponent(accountLogin);
  const owners: Record<string, string> = {
    Organization: `/organizations/${login}`,
    Enterprise: `/enterprises/${login}`,
  };
  return `${web}${owners[targetType] ?? ''}/settings/installations/${installationId}`;
}

/** Where that owner grants what the App has come to ask for. */
export function permissionsUpdateUrl(page: InstallationPage): string {
  return `${installationSettingsUrl(page)}/permissions/update`;
}
