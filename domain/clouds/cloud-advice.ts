/** Where the cloud trusts Fairlead: the snippets are shown with the account. */
const pasteTrust = 'Paste what `setup` shows at the cloud once more, then verify the account.';
const byOperator = 'Tell whoever operates this Fairlead: nothing is wrong with the account.';
const newSecret = 'Make a new one at the cloud, send it by `PATCH`, then verify the account.';
/** The advice when a check ended without a result about the account. */
const verifyAgain = 'The cloud did not answer the last check. Verify the account again.';
const consentAgain = 'Give the consent once more: `POST /v1/cloud-accounts/gcp/start` with `cloud_account_id`.';

const actions: Record<string, string> = {
  issuer_not_public: 'Have FAIRLEAD_PUBLIC_URL set to an https address that the cloud can reach.',
  platform_identity_missing:
    'Have FAIRLEAD_AWS_IDENTITY set by whoever operates this Fairlead, or take another way in.',
  platform_identity_refused: byOperator,
  issuer_unreachable: byOperator,
  assume_role_refused: pasteTrust,
  external_id_not_required: pasteTrust,
  subject_not_required: pasteTrust,
  web_identity_refused: pasteTrust,
  federation_refused: pasteTrust,
  impersonation_denied: pasteTrust,
  access_denied: pasteTrust,
  account_mismatch: 'Correct the number of the account, or the role or key, which is of another one.',
  region_disabled: 'Have the region, or its STS, enabled in the account by its administrator.',
  invalid_key: newSecret,
  signature_mismatch: newSecret,
  key_rejected: newSecret,
  client_secret_rejected: newSecret,
  client_secret_expired: newSecret,
  credentials_missing: 'Send the secret once more by `PATCH`, then verify the account.',
  tenant_not_found: 'Correct the tenant and its cloud.',
  app_not_found: 'Correct the client id, or enable the app and give it a service principal in the tenant.',
  audience_unknown: 'Register the resource provider of registries in the tenant.',
  policy: 'Have the tenant’s policy let the app in, from where this Fairlead is.',
  api_disabled: 'Enable the APIs that `setup` shows.',
  consent_ended: consentAgain,
  consent_incomplete: consentAgain,
  client_credentials_rejected: byOperator,
  clock_skew: byOperator,
  unavailable: verifyAgain,
  network: verifyAgain,
  timeout: verifyAgain,
  rate_limited: verifyAgain,
  unexpected: verifyAgain,
  session_expired: verifyAgain,
  internal: verifyAgain,
};

/** The one thing to do about a cloud account whose check ended with this code. */
export function cloudAdvice(code: string): string {
  return actions[code] ?? 'Look at what `setup` shows, mend it at the cloud, then verify the account.';
}
