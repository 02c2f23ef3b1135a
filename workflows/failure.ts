import { ActivityFailure, ApplicationFailure } from '@temporalio/workflow';

/** Returns the activity's own failure from inside Temporal's wrapper. */
function causeOf(failure: unknown): ApplicationFailure | undefined {
  const cause = failure instanceof ActivityFailure ? failure.cause : undefined;
  return cause instanceof ApplicationFailure ? cause : undefined;
}

/** Returns the stable code of an activity's failure. */
export function codeOf(failure: unknown): string {
  return causeOf(failure)?.type || 'unknown';
}

/** Whether a retry would not have helped. */
export function isFinal(failure: unknown): boolean {
  return causeOf(failure)?.nonRetryable === true;
}

/** Returns the failure in the form that an operation shows. */
export function tell(failure: ActivityFailure): { code: string; detail: string } {
  return { code: codeOf(failure), detail: failure.cause?.message ?? failure.message };
}
