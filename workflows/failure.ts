import { ActivityFailure, ApplicationFailure } from '@temporalio/workflow';

/** The activity's own failure, below what Temporal wraps it in. */
function causeOf(failure: unknown): ApplicationFailure | undefined {
  const cause = failure instanceof ActivityFailure ? failure.cause : undefined;
  return cause instanceof ApplicationFailure ? cause : undefined;
}

/** The stable code of an activity's failure. */
export function codeOf(failure: unknown): string {
  return causeOf(failure)?.type || 'unknown';
}

/** Whether asking again would not have helped. */
export function isFinal(failure: unknown): boolean {
  return causeOf(failure)?.nonRetryable === true;
}

/** As an operation shows it. */
export function tell(failure: ActivityFailure): { code: string; detail: string } {
  return { code: codeOf(failure), detail: failure.cause?.message ?? failure.message };
}
