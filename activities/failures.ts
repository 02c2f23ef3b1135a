import { ApplicationFailure, TemporalFailure } from '@temporalio/common';
import { redact } from '../domain/secrets/redact.ts';
import { ProviderError, type ProviderErrorCode } from '../providers/failure.ts';
import type { AnyActivities } from './heartbeats.ts';
import { NotYet, Refusal } from './refusals.ts';

/** Failures that a retry cannot fix until a person changes something. All others can pass without help. */
const final: ReadonlySet<ProviderErrorCode> = new Set<ProviderErrorCode>([
  'app_credentials_rejected',
  'installation_suspended',
  'installation_gone',
  'permission_missing',
  'policy',
  'address_refused',
  'not_found',
  'moved',
  'conflict',
  'gone',
  'validation',
  'workflow_file_missing',
  'workflow_not_dispatchable',
  'workflow_inputs_undeclared',
  'workflow_inputs_too_many',
  'workflow_disabled',
  'actions_disabled',
  'ref_missing',
  'manifest_code_refused',
  'oauth_code_refused',
  'client_credentials_rejected',
  'redirect_uri_mismatch',
  'issuer_not_public',
  'platform_identity_missing',
  'access_denied',
  'account_mismatch',
  'assume_role_refused',
  'external_id_not_required',
  'subject_not_required',
  'web_identity_refused',
  'invalid_key',
  'signature_mismatch',
  'region_disabled',
  'policy_malformed',
  'policy_too_large',
  'session_too_long',
  'key_rejected',
  'federation_refused',
  'impersonation_denied',
  'api_disabled',
  'consent_ended',
  'consent_incomplete',
  'client_secret_rejected',
  'client_secret_expired',
  'tenant_not_found',
  'app_not_found',
  'audience_unknown',
  'registry_role_missing',
  'registry_not_found',
  'network_rules',
  'lifetime_too_short',
]);

/** Whether the same request can succeed later without a change by a person. */
export function isPassing(error: unknown): boolean {
  if (error instanceof Refusal) return false;
  return !(error instanceof ProviderError) || !final.has(error.code);
}

/**
 * Converts an error into a Temporal failure, and is the only place that knows Temporal's retry options. A failure
 * becomes part of the workflow's history, which operators read. So the new failure has a code as its type and a
 * redacted message, but no cause and no stack.
 */
export function toFailure(error: unknown): Error {
  if (error instanceof TemporalFailure) return error;
  if (error instanceof ProviderError || error instanceof Refusal || error instanceof NotYet) {
    const { code, message } = error;
    const retryAfterMs = error instanceof Refusal ? undefined : error.retryAfterMs;
    const failure = ApplicationFailure.create({
      message: redact(message),
      type: code,
      nonRetryable: !isPassing(error),
      ...(retryAfterMs !== undefined && { nextRetryDelay: retryAfterMs }),
    });
    return withoutStack(failure);
  }
  // An unexpected error can contain anything, such as rows of the database or the text that a parser read.
  const failure = withoutStack(ApplicationFailure.create({ message: unforeseen, type: 'internal' }));
  originals.set(failure, error);
  return failure;
}

const unforeseen =
  'An unexpected error occurred. The log of the worker has the details, under the ID of this workflow.';
const originals = new WeakMap<Error, unknown>();

/** Returns the error that a failure was made from. Use it only for the log. */
export function originalOf(failure: unknown): unknown {
  return (failure instanceof Error && originals.get(failure)) || failure;
}

/** Removes the stack. It shows only our files, and its first lines repeat the unredacted message. */
function withoutStack(failure: ApplicationFailure): ApplicationFailure {
  failure.stack = `${failure.name}: ${failure.message}`;
  return failure;
}

/** The same activities, with failures that Temporal understands and operators can read. */
export function withFailures<Activities extends AnyActivities>(activities: Activities): Activities {
  const wrapped = Object.entries(activities).map(([name, activity]) => [
    name,
    async (...parameters: unknown[]) => {
      try {
        return await activity(...parameters);
      } catch (error) {
        throw toFailure(error);
      }
    },
  ]);
  return Object.fromEntries(wrapped) as Activities;
}
