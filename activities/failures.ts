import { ApplicationFailure, TemporalFailure } from '@temporalio/common';
import { UnreadableSecret } from '../db/store/sealing.ts';
import { failureFacts } from '../domain/ops/provider-failures.ts';
import { redact } from '../domain/secrets/redact.ts';
import { ProviderError } from '../providers/failure.ts';
import type { AnyActivities } from './heartbeats.ts';
import { NotYet, Refusal } from './refusals.ts';

/** Whether the same request can succeed later without a change by a person. */
export function isPassing(error: unknown): boolean {
  if (error instanceof Refusal || error instanceof UnreadableSecret) return false;
  return !(error instanceof ProviderError) || failureFacts(error.code)?.retry !== false;
}

/**
 * Converts an error into a Temporal failure, and is the only place that knows Temporal's retry options. A failure
 * becomes part of the workflow's history, which operators read. So the new failure has a code as its type and a
 * redacted message, but no cause and no stack.
 */
export function toFailure(error: unknown): Error {
  if (error instanceof TemporalFailure) return error;
  const isTold = error instanceof ProviderError || error instanceof Refusal || error instanceof NotYet;
  if (isTold || error instanceof UnreadableSecret) {
    const { code, message } = error;
    const retryAfterMs = 'retryAfterMs' in error ? error.retryAfterMs : undefined;
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
