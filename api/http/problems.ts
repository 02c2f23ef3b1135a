import type { ProviderProblem } from '../../domain/ops/provider-failures.ts';

type Entry = { status: number; title: string };

/** All problems that a request can get. Codes are stable. Titles are for people. */
export const catalogue = {
  invalid_request: { status: 400, title: 'Invalid request' },
  flow_state_refused: { status: 400, title: 'Invalid or expired `state`' },
  unauthenticated: { status: 401, title: 'Authentication required' },
  invalid_signature: { status: 401, title: 'Invalid signature' },
  sign_in_code_invalid: { status: 401, title: 'Invalid or expired sign-in code' },
  csrf_rejected: { status: 403, title: 'Missing or invalid CSRF token' },
  missing_scope: { status: 403, title: 'Permission denied' },
  build_not_vouched: { status: 403, title: 'The build runs unapproved code' },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'Method not allowed' },
  request_timeout: { status: 408, title: 'Request not received in time' },
  invalid_transition: { status: 409, title: 'Not allowed in the current status' },
  project_in_use: { status: 409, title: 'The project is not empty' },
  integration_exists: { status: 409, title: 'Account already connected' },
  installation_unknown: { status: 409, title: 'Unknown GitHub App installation' },
  installation_claimed: { status: 409, title: 'Installation belongs to another organization' },
  github_app_missing: { status: 409, title: 'No GitHub App configured' },
  github_app_incomplete: { status: 409, title: 'GitHub App has no client credentials' },
  github_app_exists: { status: 409, title: 'GitHub App already connected' },
  ambiguous_integration: { status: 409, title: 'Several integrations match' },
  not_grantable: { status: 409, title: 'Integration belongs to a project' },
  integration_in_use: { status: 409, title: 'The integration is in use' },
  integration_deleted: { status: 409, title: 'The integration was deleted' },
  integration_unusable: { status: 409, title: 'The integration cannot be used right now' },
  event_not_enabled: { status: 409, title: 'Event not enabled' },
  source_missing: { status: 409, title: 'The app has no source' },
  registry_missing: { status: 409, title: 'The app has no registry' },
  issuer_not_public: { status: 409, title: 'OIDC issuer is not public' },
  platform_identity_missing: { status: 409, title: 'No AWS identity configured' },
  google_oauth_missing: { status: 409, title: 'No Google OAuth client configured' },
  cloud_account_in_use: { status: 409, title: 'The cloud account is in use' },
  operator_credential: { status: 409, title: 'Credential managed by the operator' },
  rotation_in_progress: { status: 409, title: 'Rotation already in progress' },
  secret_unreadable: { status: 409, title: 'A stored secret does not open' },
  precondition_failed: { status: 412, title: 'The resource has changed since you read it' },
  body_too_large: { status: 413, title: 'Request body too large' },
  unsupported_media_type: { status: 415, title: 'Unsupported media type' },
  idempotency_key_reused: { status: 422, title: '`Idempotency-Key` already used' },
  characters_not_allowed: { status: 422, title: 'Characters not allowed' },
  provider_not_supported: { status: 422, title: 'Not supported for this provider' },
  host_not_allowed: { status: 422, title: 'Host not allowed' },
  host_not_supported: { status: 422, title: 'Unsupported GitHub host' },
  github_app_rejected: { status: 422, title: 'GitHub rejected this App ID and private key' },
  registry_host_mismatch: { status: 422, title: 'Host does not match the provider' },
  credentials_not_allowed_for_kind: { status: 422, title: 'Credentials not allowed for this provider' },
  credentials_short_lived: { status: 422, title: 'These credentials expire within hours' },
  cloud_account_missing: { status: 422, title: 'No matching cloud account' },
  no_integration: { status: 422, title: 'No usable integration' },
  repository_not_reachable: { status: 422, title: 'Repository not reachable' },
  credential_rejected: { status: 422, title: 'Provider rejected the stored credential' },
  permission_missing: { status: 422, title: 'Missing provider permission' },
  min_ttl_too_long: { status: 422, title: '`min_ttl` exceeds the maximum token lifetime' },
  secret_guessable: { status: 422, title: 'Secret is easy to guess' },
  credential_unchanged: { status: 422, title: 'Credential already in use' },
  ref_missing: { status: 422, title: 'Branch not found' },
  sha_not_on_ref: { status: 422, title: 'Commit not on this ref' },
  workflow_inputs_too_many: { status: 422, title: 'Too many workflow inputs' },
  too_many_requests: { status: 429, title: 'Too many requests' },
  headers_too_large: { status: 431, title: 'Request headers too large' },
  internal: { status: 500, title: 'Internal error' },
  provider_unavailable: { status: 502, title: 'Provider unavailable' },
  unavailable: { status: 503, title: 'Temporarily unavailable' },
} as const satisfies Record<string, Entry> & Record<ProviderProblem, Entry>;

export type ProblemCode = keyof typeof catalogue;

/** The advice for a problem that is thrown without a detail. */
const advice: Partial<Record<ProblemCode, string>> = {
  not_found: 'Check the path and its ids, and that your token or role has access to that organization and project.',
  method_not_allowed: 'The `Allow` header lists the methods of this path.',
  precondition_failed: 'Read the resource again and send the new `ETag` as `If-Match`.',
  internal: 'Send the request again. If it fails again, give the operator this `request_id`.',
  unavailable: 'Nothing was changed. Send the request again in a few seconds.',
};

export type FieldError = { path: string; message: string };

/** A refusal in the format of RFC 9457. `detail` contains the advice. No other part of an error reaches a client. */
export class Problem extends Error {
  override name = 'Problem';
  readonly code: ProblemCode;
  readonly detail: string | undefined;
  readonly extra: ProblemExtra;

  constructor(code: ProblemCode, detail?: string, extra: ProblemExtra = {}) {
    super(catalogue[code].title);
    this.code = code;
    this.detail = detail ?? advice[code];
    this.extra = extra;
  }
}

/**
 * Says that a change has made the prepared data of a request invalid. The request is repeated from its preparation. Its
 * caller sees this problem only if it happens several times in a row.
 */
export class Outdated extends Problem {
  override name = 'Outdated';
}

/**
 * Returns the row that was found. Throws `not_found` for a row that does not exist or that the tenant scope excludes.
 * `false` means that a row to be locked has been deleted.
 */
export function required<Found>(found: Found | undefined | false): Found {
  if (found === undefined || found === false) throw new Problem('not_found');
  return found;
}

export type ProblemExtra = {
  errors?: FieldError[];
  headers?: Record<string, string>;
  /** Additional members of the document. */
  members?: Record<string, unknown>;
};

export function problemDocument(problem: Problem, requestId: string): Record<string, unknown> {
  const { status, title } = catalogue[problem.code];
  return {
    type: `urn:fairlead:problem:${problem.code}`,
    title,
    status,
    code: problem.code,
    ...(problem.detail !== undefined && { detail: problem.detail }),
    ...(problem.extra.errors && { errors: problem.extra.errors }),
    ...problem.extra.members,
    request_id: requestId,
  };
}
