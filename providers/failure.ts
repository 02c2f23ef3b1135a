import { redact } from '../domain/secrets/redact.ts';

export type ProviderErrorCode =
  | GitHubErrorCode
  | AwsErrorCode
  | GoogleErrorCode
  | AzureErrorCode
  | RegistryErrorCode
  // Known before anybody is asked: no cloud could read our keys.
  | 'issuer_not_public';

export type GitHubErrorCode =
  // Whose fault it is
  | 'app_credentials_rejected'
  | 'clock_skew'
  | 'installation_suspended'
  | 'installation_gone'
  | 'token_rejected'
  | 'permission_missing'
  | 'policy'
  // Come back later
  | 'rate_limited'
  | 'secondary_limited'
  | 'unavailable'
  | 'network'
  | 'timeout'
  // The request
  | 'address_refused'
  | 'not_found'
  | 'moved'
  | 'conflict'
  | 'gone'
  | 'validation'
  | 'unexpected'
  // A build's dispatch
  | 'workflow_file_missing'
  | 'workflow_not_dispatchable'
  | 'workflow_inputs_undeclared'
  | 'workflow_inputs_too_many'
  | 'workflow_disabled'
  | 'actions_disabled'
  | 'ref_missing'
  // Connecting an account
  | 'manifest_code_refused'
  | 'conversion_unauthorized'
  | 'oauth_code_refused'
  | 'client_credentials_rejected'
  | 'redirect_uri_mismatch';

export type AwsErrorCode =
  // Where there is nothing of ours to begin with
  | 'platform_identity_missing'
  | 'platform_identity_refused'
  // The identity
  | 'access_denied'
  | 'account_mismatch'
  | 'assume_role_refused'
  | 'external_id_not_required'
  | 'subject_not_required'
  | 'web_identity_refused'
  | 'invalid_key'
  | 'signature_mismatch'
  | 'region_disabled'
  // The session that was asked for
  | 'policy_malformed'
  | 'policy_too_large'
  | 'session_too_long'
  // Come back later
  | 'session_expired'
  | 'issuer_unreachable'
  // As with everybody
  | CommonErrorCode;

export type GoogleErrorCode =
  // A service account's key, a pool's trust, a service account that is acted for
  | 'key_rejected'
  | 'federation_refused'
  | 'impersonation_denied'
  | 'subject_not_required'
  | 'api_disabled'
  // A person's consent
  | 'consent_ended'
  | 'consent_incomplete'
  | 'oauth_code_refused'
  | 'client_credentials_rejected'
  | 'redirect_uri_mismatch'
  | 'permission_missing'
  // Something of ours that the cloud asks for, and could not read
  | 'issuer_unreachable'
  | 'lifetime_too_short'
  | CommonErrorCode;

export type AzureErrorCode =
  // The app and its tenant
  | 'client_secret_rejected'
  | 'client_secret_expired'
  | 'tenant_not_found'
  | 'app_not_found'
  | 'federation_refused'
  | 'audience_unknown'
  | 'policy'
  // The registry
  | 'registry_role_missing'
  | 'registry_not_found'
  | 'network_rules'
  | 'issuer_unreachable'
  | 'lifetime_too_short'
  | CommonErrorCode;

export type RegistryErrorCode =
  // The address, and where it wants credentials sent
  | 'not_a_registry'
  | 'tls_untrusted'
  | 'realm_not_trusted'
  | 'token_unusable'
  | 'bearer_unsupported'
  // The credential
  | 'credentials_missing'
  | 'credentials_rejected'
  | 'credentials_unproven'
  | 'policy'
  // A repository
  | 'not_visible'
  | 'pull_denied'
  | 'pull_unproven'
  | 'push_denied'
  | 'push_unproven'
  // Come back later
  | 'secondary_limited'
  | CommonErrorCode;

/** What may go wrong wherever something is asked. */
type CommonErrorCode = Extract<
  GitHubErrorCode,
  | 'clock_skew'
  | 'rate_limited'
  | 'unavailable'
  | 'network'
  | 'timeout'
  | 'address_refused'
  | 'validation'
  | 'unexpected'
>;

export type ProviderFailure = {
  provider: string;
  code: ProviderErrorCode;
  message: string;
  /** HTTP status; absent where no answer came. */
  status?: number;
  /** How long the provider asks to be left alone. */
  retryAfterMs?: number;
  /** True where the effect may have happened although no answer says so. */
  ambiguous?: boolean;
  /** True where something that was made a moment ago is refused like this, and accepted within a minute. */
  settling?: boolean;
};

const longestPauseMs = 24 * 60 * 60_000;

/** Limits a pause that a host asks for. Headers, timers and Temporal's retries cannot hold a million years. */
function boundedPause(ms: number): number {
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(ms, 0), longestPauseMs);
}

/**
 * What went wrong at a provider, in words that may be logged, stored and shown. It never carries the request, the
 * answer or the error below it: those hold tokens.
 */
export class ProviderError extends Error {
  override readonly name = 'ProviderError';
  readonly provider: string;
  readonly code: ProviderErrorCode;
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;
  readonly ambiguous: boolean;
  readonly settling: boolean;

  constructor(failure: ProviderFailure) {
    const { provider, code, message, status, retryAfterMs, ambiguous = false, settling = false } = failure;
    super(redact(message));
    this.provider = provider;
    this.code = code;
    this.status = status;
    this.retryAfterMs = retryAfterMs === undefined ? undefined : boundedPause(retryAfterMs);
    this.ambiguous = ambiguous;
    this.settling = settling;
  }
}
