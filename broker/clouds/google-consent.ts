import type { GcpDeps } from '../../providers/clouds/gcp/gcp.ts';
import { createGoogleConsent } from '../../providers/clouds/gcp/gcp-consent.ts';
import type { GoogleOauth } from './clouds.ts';

export const consentCallbackPath = '/v1/cloud-accounts/gcp/callback';

/** A person's consent at Google for the operator's OAuth client. Only building its URLs throws no `ProviderError`. */
export function createConsents({
  google,
  publicUrl,
  ...deps
}: GcpDeps & { google: GoogleOauth | undefined; publicUrl: string }) {
  // Revoking a consent needs no client, so it works even after the operator has removed the client.
  const client = google ?? { clientId: '', clientSecret: '' };
  const { consentUrl, redeemCode, revoke } = createGoogleConsent(
    { ...client, redirectUri: `${publicUrl}${consentCallbackPath}` },
    deps,
  );
  return { isOffered: google !== undefined, consentUrl, redeemCode, revoke };
}

export type GoogleConsents = ReturnType<typeof createConsents>;
