import type { ProviderErrorCode } from '../domain/ops/provider-failures.ts';
import { ProviderError } from '../providers/failure.ts';

type ToldFailure = {
  code: ProviderErrorCode;
  message: string;
  retryAfterMs: number | undefined;
  /** Whether the caller exceeds its own share, rather than the provider's limit. */
  overasked: boolean;
};

/** Returns a provider's failure in words that are safe to show, or nothing if the error has another origin. */
export function providerFailure(error: unknown): ToldFailure | undefined {
  if (!(error instanceof ProviderError)) return undefined;
  const { code, message, retryAfterMs } = error;
  return { code, message, retryAfterMs, overasked: error instanceof Overasked };
}

/** One organization requests more than its share of a common limit. Nothing was sent to the provider. */
export class Overasked extends ProviderError {
  constructor(message: string, retryAfterMs: number, provider = 'github') {
    super({ provider, code: 'secondary_limited', message, retryAfterMs: Math.ceil(retryAfterMs) });
  }
}
