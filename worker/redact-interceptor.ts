import { CompleteAsyncError } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { originalOf } from '../activities/failures.ts';
import { redact, redactDeep } from '../domain/secrets/redact.ts';
import type { Logger } from '../log.ts';

/**
 * The last check before a failure enters the history, which everyone with access to Temporal's UI can read. Failures
 * are redacted when they are thrown, and again here in case one was missed. The original error with its stack goes only
 * to the log, which redacts too.
 */
export function createRedactInterceptor(logger: Logger): ActivityInterceptorsFactory {
  return ({ info }) => ({
    inbound: {
      async execute(input, next) {
        try {
          return await next(input);
        } catch (error) {
          if (error instanceof CancelledFailure || error instanceof CompleteAsyncError) throw error;
          const failure = safeFailure(error);
          const { activityType, attempt, workflowExecution } = info;
          logger.warn(
            {
              err: originalOf(error),
              code: failure.type,
              activityType,
              attempt,
              workflowId: workflowExecution?.workflowId,
            },
            'activity failed',
          );
          throw failure;
        }
      },
    },
  });
}

function safeFailure(error: unknown): ApplicationFailure {
  const message = redact(error instanceof Error ? error.message : String(error));
  const known = error instanceof ApplicationFailure ? error : undefined;
  const failure = ApplicationFailure.create({
    message,
    type: known?.type ?? (error instanceof Error ? error.name : 'Error'),
    nonRetryable: known?.nonRetryable ?? false,
    ...(known?.details && { details: redactDeep(known.details) as unknown[] }),
    ...(known?.nextRetryDelay !== undefined && { nextRetryDelay: known.nextRetryDelay }),
  });
  failure.stack = redact(known?.stack ?? `${failure.name}: ${message}`);
  return failure;
}
