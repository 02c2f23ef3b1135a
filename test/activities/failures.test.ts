import { ApplicationFailure } from '@temporalio/common';
import { describe, expect, test } from 'vitest';
import { originalOf, toFailure, withFailures } from '../../activities/failures.ts';
import { UnreadableSecret } from '../../db/store/sealing.ts';
import { type ProviderErrorCode, providerFailures } from '../../domain/ops/provider-failures.ts';
import { ProviderError } from '../../providers/failure.ts';

const token = `ghs_${'A1b2'.repeat(9)}`;

function failed(failure: ConstructorParameters<typeof ProviderError>[0]) {
  return toFailure(new ProviderError(failure)) as ApplicationFailure;
}

describe('a failure in Temporal', () => {
  test('is retried when the provider says so', () => {
    const failure = failed({ provider: 'github', code: 'rate_limited', message: 'Limit', retryAfterMs: 90_000 });
    expect(failure).toMatchObject({ type: 'rate_limited', nonRetryable: false, nextRetryDelay: 90_000 });
  });

  test('is final when a retry cannot help', () => {
    expect(failed({ provider: 'github', code: 'permission_missing', message: 'No' }).nonRetryable).toBe(true);
  });

  test('is final and says what to do when a stored secret does not open', () => {
    const context = { orgId: null, owner: ['int_1'] as const, credentialId: 'cred_1', version: 1, field: 'password' };
    const failure = toFailure(new UnreadableSecret(context, 'k1')) as ApplicationFailure;
    expect(failure).toMatchObject({ type: 'secret_unreadable', nonRetryable: true });
    expect(failure.message).toContain('needs the master key "k1"');
    expect(failed({ provider: 'fairlead', code: 'secret_unreadable', message: 'No' }).nonRetryable).toBe(true);
  });

  test('is retried when it can pass', () => {
    expect(failed({ provider: 'github', code: 'unavailable', message: 'No' }).nonRetryable).toBe(false);
    expect((toFailure(new Error('database is locked')) as ApplicationFailure).nonRetryable).toBe(false);
  });

  test('is retried for these provider codes only', () => {
    const codes = Object.keys(providerFailures) as ProviderErrorCode[];
    const retried = codes.filter((code) => !failed({ provider: 'github', code, message: 'No' }).nonRetryable);
    expect(retried.sort()).toEqual([
      'bearer_unsupported',
      'clock_skew',
      'conversion_unauthorized',
      'credentials_missing',
      'credentials_rejected',
      'credentials_unproven',
      'issuer_unreachable',
      'network',
      'not_a_registry',
      'not_visible',
      'platform_identity_refused',
      'pull_denied',
      'pull_unproven',
      'push_denied',
      'push_unproven',
      'rate_limited',
      'realm_not_trusted',
      'secondary_limited',
      'session_expired',
      'timeout',
      'tls_untrusted',
      'token_rejected',
      'token_unusable',
      'unavailable',
      'unexpected',
    ]);
  });

  test('contains neither a secret nor its cause', async () => {
    const below = new Error(`GET https://x:${token}@github.com/`, {
      cause: new Error(`Authorization: Bearer ${token}`),
    });
    const { fails } = withFailures({ fails: async (): Promise<void> => Promise.reject(below) });
    const failure = await fails().then(
      () => undefined,
      (error) => error,
    );
    expect(failure).toBeInstanceOf(ApplicationFailure);
    expect(failure.cause).toBeUndefined();
    expect(JSON.stringify([failure.message, failure.stack, failure.type])).not.toContain(token);
    expect(failure).toMatchObject({ type: 'internal', nonRetryable: false });
    expect(failure.message).not.toContain('GET');
    // The log uses the cause.
    expect(originalOf(failure)).toBe(below);
  });

  test('is unchanged if Temporal threw it', () => {
    const own = ApplicationFailure.nonRetryable('no', 'own');
    expect(toFailure(own)).toBe(own);
  });
});
