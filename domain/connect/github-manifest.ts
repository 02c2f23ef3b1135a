import { githubAppEvents, githubAppPermissions } from '../github/github-permissions.ts';

/** GitHub's own limit (https://docs.github.com/en/apps/creating-github-apps/registering-a-github-app). */
export const maxAppNameLength = 34;

export type ManifestInput = {
  githubAppId: string;
  name: string;
  /** Whether accounts other than its owner's may install it. */
  isPublic: boolean;
  publicUrl: string;
  webhookUrl: string;
};

/** Below the public address: where GitHub sends the browser after an installation. */
export const githubInstalledPath = '/v1/integrations/github/installed';

/**
 * Where GitHub sends the browser back to with a code. An organization's own App has an address of its own: on one that
 * all of them share, a host that some tenant chose could have a code sent that is another App's (RFC 9700, 4.4).
 */
export function githubCallbackPath(ownAppId?: string): string {
  return `/v1/integrations/github/callback${ownAppId === undefined ? '' : `/${ownAppId}`}`;
}

/**
 * The manifest of a new GitHub App. A setup URL and a separate sign-in: with GitHub's "request authorization during
 * installation" the setup URL could not be set, and updates and approvals would land nowhere.
 * https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
 */
export function githubManifest({ githubAppId, name, isPublic, publicUrl, webhookUrl }: ManifestInput) {
  const callback = publicUrl + githubCallbackPath(githubAppId);
  return {
    name,
    url: publicUrl,
    hook_attributes: { url: webhookUrl, active: true },
    redirect_url: callback,
    callback_urls: [callback],
    setup_url: publicUrl + githubInstalledPath,
    setup_on_update: true,
    request_oauth_on_install: false,
    public: isPublic,
    default_permissions: { ...githubAppPermissions },
    default_events: [...githubAppEvents],
  };
}
