import { describe, expect, test } from 'vitest';
import { troubleOf, verdictOn } from '../../../domain/registries/registry-verdicts.ts';
import { registryCodes } from '../../support/fakes/registry-codes.ts';

describe('what a code says about a connection', () => {
  const codesOf = (trouble: string) => registryCodes.filter((code) => troubleOf(code) === trouble).sort();

  test('is nothing when the provider did not answer', () => {
    expect(codesOf('outage')).toEqual([
      'network',
      'rate_limited',
      'secondary_limited',
      'session_expired',
      'timeout',
      'unavailable',
      'unexpected',
    ]);
    expect(['internal', 'unknown'].map(troubleOf)).toEqual(['outage', 'outage']);
  });

  test('is nothing when this instance lacks something', () => {
    expect(codesOf('ours')).toEqual([
      'clock_skew',
      'issuer_not_public',
      'issuer_unreachable',
      'platform_identity_missing',
      'platform_identity_refused',
    ]);
  });

  test('keeps the credential when the connection is set up wrongly', () => {
    expect(codesOf('wrong')).toEqual([
      'address_refused',
      'api_disabled',
      'bearer_unsupported',
      'credentials_unproven',
      'lifetime_too_short',
      'network_rules',
      'not_a_registry',
      'policy',
      'policy_malformed',
      'policy_too_large',
      'pull_unproven',
      'push_unproven',
      'redirect_uri_mismatch',
      'region_disabled',
      'registry_not_found',
      'session_too_long',
      'tls_untrusted',
      'token_unusable',
      'validation',
    ]);
  });

  test('ends the credential for every other code', () => {
    const found = (code: string) => ({ login: { ok: false as const, code, message: 'No' }, checks: [] });
    const ended = registryCodes.filter(
      (code) => verdictOn({ status: 'active', reason: null }, found(code)).status === 'reauth_required',
    );
    expect(ended.sort()).toEqual(codesOf('refused'));
    expect(ended.length).toBe(28);
  });
});

test('a door that is closed from here says nothing against the credential', () => {
  const found = { login: { ok: false as const, code: 'policy', message: 'No' }, checks: [] };
  expect(verdictOn({ status: 'active', reason: null }, found)).toEqual({ status: 'degraded', reason: 'policy' });
  expect(verdictOn({ status: 'pending', reason: null }, found)).toEqual({ status: 'pending', reason: 'policy' });
});

test('an unknown code does not end a good credential, and is seen', () => {
  expect(['something_new', 'constructor'].map(troubleOf)).toEqual(['wrong', 'wrong']);
});
