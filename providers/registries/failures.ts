import type { RegistryErrorCode } from '../../domain/ops/provider-failures.ts';
import { type EgressError, egressErrorIn } from '../egress/egress-error.ts';
import { ProviderError } from '../failure.ts';

/** The reasons to reject a certificate. A CA certificate on the integration fixes most of these. */
const distrust =
  /^(?:SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT(?:_LOCALLY)?|CERT_[A-Z_]+|ERR_TLS_CERT_ALTNAME_INVALID)$/;

type More = { status?: number; retryAfterMs?: number };

/** The message contains only our own text, because the answers of a realm contain tokens. */
export function failure(code: RegistryErrorCode, message: string, more: More = {}): ProviderError {
  return new ProviderError({ provider: 'registry', code, message, ...more });
}

/** No answer, or none that can be parsed. `strange` is the code if there was an answer. */
export function silence(error: unknown, strange: 'not_a_registry' | 'token_unusable'): ProviderError {
  const egress = egressErrorIn(error);
  if (!egress) throw error;
  return failure(silenceCode(egress, strange), egress.message);
}

function silenceCode(error: EgressError, strange: 'not_a_registry' | 'token_unusable'): RegistryErrorCode {
  switch (error.code) {
    case 'host_not_allowed':
      return 'address_refused';
    case 'redirect_refused':
    case 'too_large':
      return strange;
    case 'timeout':
      return 'timeout';
    case 'unreachable':
      return distrust.test(error.reason ?? '') ? 'tls_untrusted' : 'network';
  }
}

/** An answer that says nothing about the credential. Try again later. */
export function outageOf(host: string, answer: { status: number; headers: Headers; codes: string[] }) {
  const { status, headers, codes } = answer;
  if (status >= 500) return failure('unavailable', `${host} failed (${status})`, { status });
  if (status !== 429) return undefined;
  const retryAfterMs = pauseOf(headers, Date.now());
  const more = { status, ...(retryAfterMs !== undefined && { retryAfterMs }) };
  // Docker Hub returns 429 for two reasons. Only the used-up pull limit has the registry's error format.
  return codes.includes('TOOMANYREQUESTS')
    ? failure('rate_limited', `The limit of pulls at ${host} is used up`, more)
    : failure('secondary_limited', `${host} asks for a pause`, more);
}

/** Seconds, an HTTP date, or a Unix time in Docker Hub's own header. */
function pauseOf(headers: Headers, now: number): number | undefined {
  const asked = headers.get('retry-after');
  if (asked !== null) {
    const ms = /^\d{1,9}$/.test(asked) ? Number(asked) * 1000 : Date.parse(asked) - now;
    if (Number.isFinite(ms)) return Math.max(1000, ms);
  }
  const until = headers.get('x-retry-after');
  return until !== null && /^\d{9,11}$/.test(until) ? Math.max(1000, Number(until) * 1000 - now) : undefined;
}
