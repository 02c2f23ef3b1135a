import { providerFailure } from '../../broker/provider-failure.ts';
import { Problem, type ProblemCode } from './problems.ts';

/** Which problem a refusal is, by its code; all others are the provider's own trouble. */
type Refusals = Readonly<Record<string, ProblemCode>>;

/** Where it is a repository that is asked about. */
const ofRepositories: Refusals = {
  not_found: 'repository_not_reachable',
  moved: 'repository_not_reachable',
  gone: 'repository_not_reachable',
  installation_gone: 'repository_not_reachable',
  installation_suspended: 'repository_not_reachable',
};

/** Where it is a token that is asked for, narrowed to repositories and permissions. */
export const ofTokens: Refusals = { ...ofRepositories, permission_missing: 'permission_missing' };

/** Where it is a credential for a registry, of its own or of a cloud: all that does not pass by itself. */
export const ofRegistries: Refusals = {
  ...Object.fromEntries(
    [
      'access_denied',
      'account_mismatch',
      'app_not_found',
      'assume_role_refused',
      'audience_unknown',
      'client_credentials_rejected',
      'client_secret_expired',
      'client_secret_rejected',
      'consent_ended',
      'consent_incomplete',
      'credentials_missing',
      'credentials_rejected',
      'credentials_unproven',
      'external_id_not_required',
      'federation_refused',
      'impersonation_denied',
      'invalid_key',
      'issuer_unreachable',
      'key_rejected',
      'oauth_code_refused',
      'platform_identity_missing',
      'platform_identity_refused',
      'policy_malformed',
      'policy_too_large',
      'realm_not_trusted',
      'redirect_uri_mismatch',
      'signature_mismatch',
      'subject_not_required',
      'tenant_not_found',
      'tls_untrusted',
      'validation',
      'web_identity_refused',
    ].map((code) => [code, 'credential_rejected' as const]),
  ),
  address_refused: 'host_not_allowed',
  api_disabled: 'permission_missing',
  bearer_unsupported: 'provider_not_supported',
  issuer_not_public: 'issuer_not_public',
  lifetime_too_short: 'min_ttl_too_long',
  session_too_long: 'min_ttl_too_long',
  network_rules: 'permission_missing',
  not_a_registry: 'provider_not_supported',
  not_visible: 'repository_not_reachable',
  permission_missing: 'permission_missing',
  policy: 'permission_missing',
  pull_denied: 'permission_missing',
  pull_unproven: 'permission_missing',
  push_denied: 'permission_missing',
  push_unproven: 'permission_missing',
  region_disabled: 'permission_missing',
  registry_not_found: 'repository_not_reachable',
  registry_role_missing: 'permission_missing',
  token_unusable: 'provider_not_supported',
};

/** Where it is an App, by a number and a key that somebody has brought. */
export const ofBroughtApps: Refusals = {
  app_credentials_rejected: 'github_app_rejected',
  address_refused: 'host_not_allowed',
};

/** Where it is a host, before anything is known of it. */
export const ofHosts: Refusals = { address_refused: 'host_not_allowed', unexpected: 'host_not_supported' };

/** What to do about it, beside what the provider said. */
const cures: Partial<Record<ProblemCode, string>> = {
  host_not_supported: 'Send the address of a GitHub, and `api_url` where its API is somewhere else.',
  github_app_rejected: 'Send the App ID from the App’s settings on GitHub, and a private key that is listed there.',
};

/** Runs what a person waits for at a provider: its refusals become problems that say what the provider said. */
export async function askProvider<Result>(
  work: () => Promise<Result>,
  refusals: Refusals = ofRepositories,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const failure = providerFailure(error);
    if (!failure) throw error;
    const { retryAfterMs } = failure;
    const headers = retryAfterMs !== undefined && { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) };
    const known = failure.overasked ? 'too_many_requests' : refusals[failure.code];
    const code = known ?? 'provider_unavailable';
    const cure = cures[code];
    throw new Problem(code, cure ? `${failure.message.replace(/[.]?$/, '.')} ${cure}` : failure.message, {
      ...(headers && { headers }),
      members: { provider_code: failure.code },
    });
  }
}
