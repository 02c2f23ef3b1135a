import type { ProviderErrorCode } from '../domain/ops/provider-failures.ts';
import { redact } from '../domain/secrets/redact.ts';

export type ProviderFailure = {
  provider: string;
  code: ProviderErrorCode;
  message: string;
  /** The HTTP status. Absent if there was no response. */
  status?: number;
  /** How long the provider asks for a pause. */
  retryAfterMs?: number;
  /** True if the request might have taken effect although no response says so. */
  ambiguous?: boolean;
  /** True if the provider refuses something newly created like this, and accepts it within a minute. */
  settling?: boolean;
};

const longestPauseMs = 24 * 60 * 60_000;

/** Limits a pause that a host asks for. Headers, timers and Temporal's retries cannot hold a million years. */
function boundedPause(ms: number): number {
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(ms, 0), longestPauseMs);
}

/**
 * A failure at a provider, in words that are safe to log, store and show. It never holds the request, the response or
 * the underlying error, because those contain tokens.
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
