import type {
  AwsErrorCode,
  AzureErrorCode,
  GoogleErrorCode,
  ProviderErrorCode,
  RegistryErrorCode,
} from '../../../providers/failure.ts';

type Code =
  | AwsErrorCode
  | GoogleErrorCode
  | AzureErrorCode
  | RegistryErrorCode
  | Extract<ProviderErrorCode, 'issuer_not_public'>;

/** Every failure code of registries and clouds. A new code does not compile until it is in this list. */
const codes: Record<Code, true> = {
  access_denied: true,
  account_mismatch: true,
  address_refused: true,
  api_disabled: true,
  app_not_found: true,
  assume_role_refused: true,
  audience_unknown: true,
  bearer_unsupported: true,
  client_credentials_rejected: true,
  client_secret_expired: true,
  client_secret_rejected: true,
  clock_skew: true,
  consent_ended: true,
  consent_incomplete: true,
  credentials_missing: true,
  credentials_rejected: true,
  credentials_unproven: true,
  external_id_not_required: true,
  federation_refused: true,
  impersonation_denied: true,
  invalid_key: true,
  issuer_not_public: true,
  issuer_unreachable: true,
  key_rejected: true,
  lifetime_too_short: true,
  network: true,
  network_rules: true,
  not_a_registry: true,
  not_visible: true,
  oauth_code_refused: true,
  permission_missing: true,
  platform_identity_missing: true,
  platform_identity_refused: true,
  policy: true,
  policy_malformed: true,
  policy_too_large: true,
  pull_denied: true,
  pull_unproven: true,
  push_denied: true,
  push_unproven: true,
  rate_limited: true,
  realm_not_trusted: true,
  redirect_uri_mismatch: true,
  region_disabled: true,
  registry_not_found: true,
  registry_role_missing: true,
  secondary_limited: true,
  session_expired: true,
  session_too_long: true,
  signature_mismatch: true,
  subject_not_required: true,
  tenant_not_found: true,
  timeout: true,
  tls_untrusted: true,
  token_unusable: true,
  unavailable: true,
  unexpected: true,
  validation: true,
  web_identity_refused: true,
};

export const registryCodes = Object.keys(codes) as Code[];
