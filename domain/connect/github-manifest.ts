import { githubAppEvents, githubAppPermissions } from '../github/github-permissions.ts';

/** GitHub's own limit (https://docs.github.com/en/apps/creating-github-apps/registering-a-github-app). */
export const maxAppNameLength = 34;

export type ManifestInput = {
  githubAppId: string;
  name: string;
  /** Whether other accounts than the owner's may install it. */
  isPublic: boolean;
  publicUrl: string;
  webhookUrl: string;
};

/** Below the public URL: where GitHub sends the browser after an installation. */
export const githubInstalledPath = '/v1/integrations/github/installed';

/**
 * Where GitHub sends the browser back to with a code. An organization's own App has its own URL. On a shared URL, a
 * host that a tenant chose could receive the code of another App (RFC 9700, 4.4).
 */
export function githubCallbackPath(ownAppId?: string): string {
  return `/v1/integrations/github/callback${ownAppId === undefined ? '' : `/${ownAppId}`}`;
}

/**
 * The manifest of a new GitHub App, with a setup URL and a separate sign-in. With GitHub's "request authorization
 * during installation" the setup URL could not be set, and updates and approvals would arrive nowhere.
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
