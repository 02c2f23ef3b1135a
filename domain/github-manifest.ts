import { githubAppEvents, githubAppPermissions } from './github-permissions.ts';

/** GitHub's own limit (https://docs.github.com/en/apps/creating-github-apps/registering-a-github-app). */
export const maxAppNameLength = 34;

export type ManifestInput = {
  name: string;
  /** Whether accounts other than its owner's may install it. */
  isPublic: boolean;
  publicUrl: string;
  webhookUrl: string;
};

/** Below the public address: where GitHub sends the browser back to. */
export const githubCallbackPath = '/v1/integrations/github/callback';
export const githubInstalledPath = '/v1/integrations/github/installed';

/**
 * The manifest of a new GitHub App. A setup URL and a separate sign-in: with GitHub's "request authorization during
 * installation" the setup URL could not be set, and updates and approvals would land nowhere.
 * https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
 */
export function githubManifest({ name, isPublic, publicUrl, webhookUrl }: ManifestInput) {
  return {
    name,
    url: publicUrl,
    hook_attributes: { url: webhookUrl, active: true },
    redirect_url: publicUrl + githubCallbackPath,
    callback_urls: [publicUrl + githubCallbackPath],
    setup_url: publicUrl + githubInstalledPath,
    setup_on_update: true,
    request_oauth_on_install: false,
    public: isPublic,
    default_permissions: { ...githubAppPermissions },
    default_events: [...githubAppEvents],
  };
}
