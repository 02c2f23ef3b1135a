import type { ProviderProblem } from '../../domain/ops/provider-failures.ts';

type Entry = { status: number; title: string };

/** Every way in which a request can be refused. Codes are stable; titles are for people. */
export const catalogue = {
  invalid_request: { status: 400, title: 'The request does not match the schema' },
  flow_state_refused: { status: 400, title: 'The state is unknown, used, expired or somebody else’s' },
  unauthenticated: { status: 401, title: 'A valid token or session is needed' },
  invalid_signature: { status: 401, title: 'The signature does not verify' },
  sign_in_code_invalid: { status: 401, title: 'The sign-in code is wrong, used or expired' },
  csrf_rejected: { status: 403, title: 'A request with a cookie needs its origin and its CSRF token' },
  missing_scope: { status: 403, title: 'The caller may not do this' },
  build_not_vouched: { status: 403, title: 'Nobody has vouched for the code of this build' },
  not_found: { status: 404, title: 'There is no such thing' },
  method_not_allowed: { status: 405, title: 'This address does not take this method' },
  idempotency_key_reused: { status: 409, title: 'The Idempotency-Key was used with another request' },
  invalid_transition: { status: 409, title: 'This cannot follow on the current status' },
  project_in_use: { status: 409, title: 'The project still has apps or integrations' },
  integration_exists: { status: 409, title: 'This account is already connected' },
  installation_unknown: { status: 409, title: 'The App has no such installation yet' },
  installation_claimed: { status: 409, title: 'The installation belongs to another organization' },
  github_app_missing: { status: 409, title: 'There is no GitHub App to install' },
  github_app_incomplete: { status: 409, title: 'The GitHub App lacks what signing in needs' },
  github_app_exists: { status: 409, title: 'This GitHub App is connected already' },
  ambiguous_integration: { status: 409, title: 'Several integrations fit: name one' },
  integration_missing: { status: 409, title: 'The project has no integration that fits' },
  not_grantable: { status: 409, title: 'Only an integration of the organization can be granted' },
  integration_in_use: { status: 409, title: 'Apps use the integration' },
  integration_deleted: { status: 409, title: 'The integration was deleted' },
  integration_unusable: { status: 409, title: 'The integration does not work at present' },
  event_not_enabled: { status: 409, title: 'The pipeline does not build on this event' },
  source_missing: { status: 409, title: 'The app has no source' },
  registry_missing: { status: 409, title: 'The app has no registry' },
  issuer_not_public: { status: 409, title: 'No cloud can read the keys of this instance' },
  platform_identity_missing: { status: 409, title: 'This instance offers no identity of its own at AWS' },
  google_oauth_missing: { status: 409, title: 'This instance has no OAuth client at Google' },
  cloud_account_in_use: { status: 409, title: 'Integrations use the cloud account' },
  operator_credential: { status: 409, title: 'This credential comes from the operator’s environment' },
  rotation_in_progress: { status: 409, title: 'This credential is being replaced already' },
  precondition_failed: { status: 412, title: 'It was changed meanwhile' },
  body_too_large: { status: 413, title: 'The body is too large' },
  unsupported_media_type: { status: 415, title: 'The body must be plain JSON' },
  provider_not_supported: { status: 422, title: 'This provider cannot be connected this way' },
  host_not_allowed: { status: 422, title: 'This host may not be reached' },
  host_not_supported: { status: 422, title: 'This host is no GitHub that can be connected' },
  github_app_rejected: { status: 422, title: 'GitHub does not know the App by this number and key' },
  registry_host_mismatch: { status: 422, title: 'The host is not a registry of this kind' },
  credentials_not_allowed_for_kind: { status: 422, title: 'A registry of this kind has no credentials of its own' },
  credentials_short_lived: { status: 422, title: 'These credentials are over within hours' },
  cloud_account_missing: { status: 422, title: 'There is no such cloud account to inherit from' },
  no_integration: { status: 422, title: 'The project has no integration that it can use' },
  repository_not_reachable: { status: 422, title: 'The integration does not reach this repository' },
  credential_rejected: { status: 422, title: 'The provider does not accept what is stored for it' },
  permission_missing: { status: 422, title: 'The installation does not grant this' },
  min_ttl_too_long: { status: 422, title: 'No token lives so long' },
  credential_unchanged: { status: 422, title: 'This is the one that is in use' },
  ref_missing: { status: 422, title: 'There is no such branch' },
  sha_not_on_ref: { status: 422, title: 'The commit is not on that branch or tag' },
  workflow_inputs_too_many: { status: 422, title: 'The workflow would be given more inputs than GitHub takes' },
  too_many_requests: { status: 429, title: 'Too many requests' },
  internal: { status: 500, title: 'We failed' },
  provider_unavailable: { status: 502, title: 'The provider did not answer as it should' },
  unavailable: { status: 503, title: 'Not possible right now' },
} as const satisfies Record<string, Entry> & Record<ProviderProblem, Entry>;

export type ProblemCode = keyof typeof catalogue;

/** What to do, where the refusal itself says no more. */
const advice: Partial<Record<ProblemCode, string>> = {
  not_found: 'Check the address and its ids, and whether your token or role reaches that organization and project.',
  method_not_allowed: 'The `Allow` header lists the methods of this address.',
  precondition_failed: 'Read it again, and send the new `ETag` as `If-Match`.',
  internal: 'Send it again. If it fails again, give the operator this `request_id`.',
  unavailable: 'Nothing was changed: send it again in a few seconds.',
};

export type FieldError = { path: string; message: string };

/** A refusal, as RFC 9457 prints it. `detail` says what to do; nothing else of an error reaches a client. */
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
  /** Further members of the document, by their name in it. */
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
