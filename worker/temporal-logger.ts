import type { LogLevel, LogMetadata, Logger as TemporalLogger } from '@temporalio/worker';
import type { Logger } from '../log.ts';

const levels = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;

/**
 * Temporal's log lines through ours, so that they are redacted alike. What its SDK calls INFO is of interest to its
 * own authors; a failed attempt of an activity is no more than a warning, since it is tried again.
 */
export function createTemporalLogger(logger: Logger): TemporalLogger {
  function log(level: LogLevel, message: string, meta: LogMetadata = {}): void {
    const { error, workflowId, activityType, attempt, sdkComponent } = meta as Record<string, unknown>;
    const fields = { sdk: sdkComponent, workflowId, activityType, attempt, err: error };
    logger[levels[level]](
      Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)),
      message,
    );
  }
  return {
    log,
    trace: (message, meta) => log('TRACE', message, meta),
    debug: (message, meta) => log('DEBUG', message, meta),
    info: (message, meta) => log('DEBUG', message, meta),
    warn: (message, meta) => log('WARN', message, meta),
    error: (message, meta) => log('ERROR', message, meta),
  };
}
