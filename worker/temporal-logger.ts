import type { LogLevel, LogMetadata, Logger as TemporalLogger } from '@temporalio/worker';
import type { Logger } from '../log.ts';

const levels = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;

/**
 * Sends Temporal's log lines to our log, so that they are redacted too. The SDK's INFO lines are for its own authors. A
 * failed attempt is only a warning, because it is retried.
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
