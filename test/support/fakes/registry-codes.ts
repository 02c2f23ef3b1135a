import { type ProviderErrorCode, providerFailures } from '../../../domain/ops/provider-failures.ts';

/** Every code that a registry or a cloud fails with, and the one that is known before a cloud is asked. */
export const registryCodes = (Object.keys(providerFailures) as ProviderErrorCode[]).filter((code) => {
  const providers: readonly string[] = providerFailures[code].from;
  return code === 'issuer_not_public' || providers.some((provider) => provider !== 'github');
});
