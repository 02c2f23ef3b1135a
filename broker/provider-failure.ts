import type { ProviderErrorCode } from '../domain/ops/provider-failures.ts';
import { ProviderError } from '../providers/failure.ts';

type ToldFailure = {
  code: ProviderErrorCode;
  message: string;
  retryAfterMs: number | undefined;
  /** It is who asks that asks for too much, and not the provider that has had enough. */
  overasked: boolean;
};

/** What a provider made of a request, in words that may be shown; nothing where the error is none of a provider's. */
export function providerFailure(error: unknown): ToldFailure | undefined {
  if (!(error instanceof ProviderError)) return undefined;
  const { code, message, retryAfterMs } = error;
  return { code, message, retryAfterMs, overasked: error instanceof Overasked };
}

/** One organization asks for more than its share of what all share. Nothing was sent. */
export class Overasked extends ProviderError {
  constructor(message: string, retryAfterMs: number, provider = 'github') {
    super({ provider, code: 'secondary_limited', message, retryAfterMs: Math.ceil(retryAfterMs) });
  }
}
