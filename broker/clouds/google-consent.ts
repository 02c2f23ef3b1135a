import type { GcpDeps } from '../../providers/clouds/gcp/gcp.ts';
import { createGoogleConsent } from '../../providers/clouds/gcp/gcp-consent.ts';
import type { GoogleOauth } from './clouds.ts';

export const consentCallbackPath = '/v1/cloud-accounts/gcp/callback';

/** A person's consent at Google, given to the operator's OAuth client. Its addresses alone throw no `ProviderError`. */
export function createConsents({
  google,
  publicUrl,
  ...deps
}: GcpDeps & { google: GoogleOauth | undefined; publicUrl: string }) {
  // To end a consent takes no client: that is possible also once the operator has taken theirs away.
  const client = google ?? { clientId: '', clientSecret: '' };
  const { consentUrl, redeemCode, revoke } = createGoogleConsent(
    { ...client, redirectUri: `${publicUrl}${consentCallbackPath}` },
    deps,
  );
  return { isOffered: google !== undefined, consentUrl, redeemCode, revoke };
}

export type GoogleConsents = ReturnType<typeof createConsents>;
