import type { ProviderErrorCode } from '../domain/ops/provider-failures.ts';
import { redact } from '../domain/secrets/redact.ts';

export type ProviderFailure = {
  provider: string;
  code: ProviderErrorCode;
  message: string;
  /** HTTP status; absent where no answer came. */
  status?: number;
  /** How long the provider asks to be left alone. */
  retryAfterMs?: number;
  /** True where the effect may have happened although no answer says so. */
  ambiguous?: boolean;
  /** True where something that was made a moment ago is refused like this, and accepted within a minute. */
  settling?: boolean;
};

const longestPauseMs = 24 * 60 * 60_000;

/** Limits a pause that a host asks for. Headers, timers and Temporal's retries cannot hold a million years. */
function boundedPause(ms: number): number {
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(ms, 0), longestPauseMs);
}

/**
 * What went wrong at a provider, in words that may be logged, stored and shown. It never carries the request, the
 * answer or the error below it: those hold tokens.
 */
export class ProviderError extends Error {
  override readonly name = 'ProviderError';
  readonly provider: string;
  readonly code: ProviderErrorCode;
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;
  readonly ambiguous: boolean;
  readonly settling: boolean;

  constructor(failure: ProviderFailure) {
    const { provider, code, message, status, retryAfterMs, ambiguous = false, settling = false } = failure;
    super(redact(message));
    this.provider = provider;
    this.code = code;
    this.status = status;
    this.retryAfterMs = retryAfterMs === undefined ? undefined : boundedPause(retryAfterMs);
    this.ambiguous = ambiguous;
    this.settling = settling;
  }
}
