import { expect, test } from 'vitest';
import { askProvider, ofRegistries } from '../../../api/http/ask-provider.ts';
import { ProviderError } from '../../../providers/failure.ts';
import { registryCodes } from '../../support/fakes/registry-codes.ts';

/** What may be different in a minute, with nothing changed here or there. */
const passing = [
  'clock_skew',
  'network',
  'rate_limited',
  'secondary_limited',
  'session_expired',
  'timeout',
  'unavailable',
  'unexpected',
];

test.each(registryCodes)('%s of a registry tells whether it helps to send it again', async (code) => {
  const refusal = askProvider(() => {
    throw new ProviderError({ provider: 'registry', code, message: 'No' });
  }, ofRegistries);
  const choice = ofRegistries[code] ?? 'provider_unavailable';
  await expect(refusal).rejects.toMatchObject({ code: choice, extra: { members: { provider_code: code } } });
  expect(choice === 'provider_unavailable').toBe(passing.includes(code));
});
