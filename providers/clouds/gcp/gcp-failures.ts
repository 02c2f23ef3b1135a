import type { GoogleErrorCode } from '../../../domain/ops/provider-failures.ts';
import { ProviderError } from '../../failure.ts';
import { type Cloud, failure, isClockWrong, outageOf } from '../outages.ts';
import type { Exchange } from '../watched-fetch.ts';

export const google: Cloud = { provider: 'gcp', name: 'Google' };

/** The call to Google, and the identity that makes it. The same error means different things in different calls. */
export type GoogleStep = 'federation' | 'impersonation' | 'key' | 'refresh' | 'redeem' | 'repository';

type Refusal = { code: GoogleErrorCode; message: string; settling?: boolean };

/** Converts Google's errors. Google's own text decides only if there is nothing else, and is never repeated. */
export function googleFailure(seen: Exchange | undefined, step: GoogleStep, now: number): ProviderError {
  if (!seen) return new ProviderError({ provider: 'gcp', code: 'unexpected', message: 'Google was not asked' });
  const outage = outageOf(google, seen, now);
  if (outage) return outage;
  const { code, message, settling } = refusalOf(seen, step, now);
  return failure(google, code, message, seen, now, settling === undefined ? {} : { settling });
}

function refusalOf(seen: Exchange, step: GoogleStep, now: number): Refusal {
  if (seen.status !== undefined && seen.status >= 400) {
    switch (step) {
      case 'federation':
        return ofFederation(seen, now);
      case 'impersonation':
        return ofImpersonation(seen);
      case 'key':
        return ofKey(seen, now);
      case 'refresh':
      case 'redeem':
        return ofConsent(seen, step);
      case 'repository':
        return ofApi(seen) ?? ofRepository(seen);
    }
  }
  return { code: 'unexpected', message: 'Google answered something unexpected' };
}

const wrongClock: Refusal = {
  code: 'clock_skew',
  message: 'Google refuses the token because the clock of this machine is wrong',
};

function ofFederation(seen: Exchange, now: number): Refusal {
  const code = 'federation_refused';
  switch (seen.body['error']) {
    case 'invalid_target':
      return { code, message: 'The workload identity pool or its provider does not exist, or is disabled' };
    case 'unauthorized_client':
      return { code, message: 'The provider’s attribute condition does not let this account in' };
    case 'invalid_grant':
      if (/issuer/i.test(described(seen)) && /connect|fetch/i.test(described(seen))) {
        return { code: 'issuer_unreachable', message: 'Google could not read the keys of this Fairlead' };
      }
      if (isClockWrong(seen.headers, now)) return wrongClock;
      return { code, message: 'The provider does not accept tokens of this Fairlead: issuer, audience or keys differ' };
    default:
      return { code, message: 'Google does not exchange the token' };
  }
}

function ofImpersonation(seen: Exchange): Refusal {
  const api = ofApi(seen);
  if (api) return api;
  if (seen.status === 403 || seen.status === 404) {
    const message = 'The account may not act for the service account, or there is no such service account';
    return { code: 'impersonation_denied', message, settling: true };
  }
  if (seen.status === 400) {
    const message = 'Google gives this service account no token that lives so long: a policy of the organization may';
    return { code: 'lifetime_too_short', message };
  }
  return { code: 'federation_refused', message: 'Google does not take the token that it gave' };
}

function ofKey(seen: Exchange, now: number): Refusal {
  if (isClockWrong(seen.headers, now) || /reasonable timeframe/.test(described(seen))) return wrongClock;
  const message = 'The service account’s key is not accepted: it, or the account, was deleted or disabled';
  return { code: 'key_rejected', message, settling: true };
}

function ofConsent({ body }: Exchange, step: 'refresh' | 'redeem'): Refusal {
  switch (body['error']) {
    case 'invalid_grant':
      return step === 'redeem'
        ? { code: 'oauth_code_refused', message: 'The code of the consent was used, is too old, or belongs elsewhere' }
        : { code: 'consent_ended', message: 'The consent was taken back, has run out, or must be given again' };
    case 'redirect_uri_mismatch':
      return { code: 'redirect_uri_mismatch', message: 'The callback address is not one of the OAuth client’s' };
    case 'invalid_client':
    case 'unauthorized_client':
    case 'deleted_client':
    case 'disabled_client':
      return {
        code: 'client_credentials_rejected',
        message: 'Google does not accept the OAuth client of this Fairlead',
      };
    default:
      return { code: 'validation', message: 'Google does not accept the request' };
  }
}

function ofRepository({ status }: Exchange): Refusal {
  if (status === 403 || status === 404) {
    return { code: 'permission_missing', message: 'There is no such repository, or the account may not see it' };
  }
  return { code: 'unexpected', message: 'Google does not answer what the account may do' };
}

/** https://google.aip.dev/193: programs may rely on `details[].reason`. */
function ofApi({ body }: Exchange): Refusal | undefined {
  const { details } = (body['error'] ?? {}) as { details?: unknown };
  const reasons = Array.isArray(details) ? details.map((detail: { reason?: unknown } | null) => detail?.reason) : [];
  if (!reasons.includes('SERVICE_DISABLED')) return undefined;
  return { code: 'api_disabled', message: 'An API that this needs is not enabled in the Google Cloud project' };
}

function described({ body }: Exchange): string {
  return String(body['error_description'] ?? '');
}
