import { ApplicationFailure, TemporalFailure } from '@temporalio/common';
import { redact } from '../domain/secrets/redact.ts';
import { ProviderError, type ProviderErrorCode } from '../providers/failure.ts';
import type { AnyActivities } from './heartbeats.ts';
import { NotYet, Refusal } from './refusals.ts';

/** Asking again will not help until a person has changed something, or never. Anything else may pass by itself. */
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

/** Whether the same request could succeed later without anybody doing anything. */
export function isPassing(error: unknown): boolean {
  if (error instanceof Refusal) return false;
  return !(error instanceof ProviderError) || !final.has(error.code);
}

/**
 * The only place that knows Temporal's language of retries. A failure ends up in the workflow's history, which
 * operators read: so it is made anew, with the code as its type and a redacted sentence, and without cause or stack.
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
  // What nobody foresaw may say anything: a database's error has rows in it, a parser's the text that it read.
  const failure = withoutStack(ApplicationFailure.create({ message: unforeseen, type: 'internal' }));
  originals.set(failure, error);
  return failure;
}

const unforeseen = 'Something failed that was not foreseen: the worker’s log says what, by this workflow and activity.';
const originals = new WeakMap<Error, unknown>();

/** What a failure was made from, for the log only. */
export function originalOf(failure: unknown): unknown {
  return (failure instanceof Error && originals.get(failure)) || failure;
}

/** The stack would name our files only, but its first lines repeat the message of whoever made it. */
function withoutStack(failure: ApplicationFailure): ApplicationFailure {
  failure.stack = `${failure.name}: ${failure.message}`;
  return failure;
}

/** The same activities, whose failures Temporal understands and operators may read. */
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
