import { ProviderError, type ProviderErrorCode } from '../providers/http.ts';

/** What a provider made of a request, in words that may be shown; nothing where the error is none of a provider's. */
export function providerFailure(error: unknown): { code: ProviderErrorCode; message: string } | undefined {
  return error instanceof ProviderError ? { code: error.code, message: error.message } : undefined;
}
