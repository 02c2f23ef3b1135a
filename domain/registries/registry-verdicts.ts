import { type IntegrationStatus, usableIntegrationStatuses } from '../integrations/integration-status.ts';
import type { RepositoryCheck } from './registry-purposes.ts';
import { strikesToAct } from './registry-watch.ts';

/**
 * What a failed check says of the connection. `outage`: nothing, for nobody answered. `ours`: nothing either, for it is
 * the instance that lacks something. `wrong`: it does not work as it is set up, though the credential may be good.
 * `refused`: the credential, or the access that it is made with, is not accepted.
 */
export type Trouble = 'outage' | 'ours' | 'wrong' | 'refused';

/** Every code that a registry or a cloud may be refused with has its place here. */
export const troubles: Record<Trouble, readonly string[]> = {
  outage: [
    'rate_limited',
    'secondary_limited',
    'unavailable',
    'network',
    'timeout',
    'unexpected',
    'session_expired',
    'internal',
    'unknown',
  ],
  ours: [
    'clock_skew',
    'issuer_not_public',
    'issuer_unreachable',
    'platform_identity_missing',
    'platform_identity_refused',
  ],
  wrong: [
    'address_refused',
    'not_a_registry',
    'tls_untrusted',
    'token_unusable',
    'registry_not_found',
    'network_rules',
    'api_disabled',
    'region_disabled',
    'policy_malformed',
    'policy_too_large',
    'lifetime_too_short',
    'session_too_long',
    'validation',
    'not_found',
    // A door that is closed to wherever we come from, or for now: it would be open to the same credential.
    'policy',
    'bearer_unsupported',
    'redirect_uri_mismatch',
    'credentials_unproven',
    'pull_unproven',
    'push_unproven',
  ],
  refused: [
    'access_denied',
    'account_mismatch',
    'app_not_found',
    'assume_role_refused',
    'audience_unknown',
    'client_credentials_rejected',
    'client_secret_expired',
    'client_secret_rejected',
    'consent_ended',
    'consent_incomplete',
    'credentials_missing',
    'credentials_rejected',
    'external_id_not_required',
    'federation_refused',
    'impersonation_denied',
    'invalid_key',
    'key_rejected',
    'not_visible',
    'oauth_code_refused',
    'permission_missing',
    'pull_denied',
    'push_denied',
    'realm_not_trusted',
    'registry_role_missing',
    'signature_mismatch',
    'subject_not_required',
    'tenant_not_found',
    'web_identity_refused',
  ],
};

/** Whatever nobody has thought of is not held against the credential. */
export function troubleOf(code: string): Trouble {
  for (const [trouble, codes] of Object.entries(troubles)) if (codes.includes(code)) return trouble as Trouble;
  return 'wrong';
}

/** What was found out: whether the registry takes the credential, and what it may do in each repository. */
export type RegistryFindings = {
  login: { ok: true } | { ok: false; code: string; message: string };
  checks: RepositoryCheck[];
};

export type RegistryVerdict = { status: IntegrationStatus; reason: string | null };

/** The status that follows from what was found. What says nothing of the connection changes nothing. */
export function verdictOn(current: RegistryVerdict, { login, checks }: RegistryFindings): RegistryVerdict {
  const denied = checks.find(({ outcome }) => outcome === 'denied');
  // A registry that lets anybody in proves a credential only where a repository does not.
  const isProven = login.ok || (login.code === 'credentials_unproven' && checks.some(isAllowed));
  if (isProven) {
    return denied ? { status: 'degraded', reason: denied.code ?? 'denied' } : { status: 'active', reason: null };
  }
  const { code } = login;
  if (code === 'credentials_unproven') return { status: 'degraded', reason: code };
  const isWorking = works(current);
  switch (troubleOf(code)) {
    case 'refused':
      return { status: 'reauth_required', reason: code };
    case 'wrong':
      if (isWorking) return { status: 'degraded', reason: code };
      break;
    default:
      if (isWorking) return current;
  }
  // Of one that never worked the reason says what has kept it from it.
  return current.status === 'pending' ? { status: 'pending', reason: code } : current;
}

/**
 * What of it is believed. Where nobody has asked for it (there are `refusals` in a row then), what has worked is given
 * up at the third refusal only: a registry that is being mended refuses many things, and not for long.
 */
export function believed(
  current: RegistryVerdict,
  found: RegistryVerdict,
  { isIn, refusals }: { isIn: boolean; refusals: number | undefined },
): { verdict: RegistryVerdict; refusals: number } {
  const isNews = found.status !== current.status || found.reason !== current.reason;
  const isWorse = isNews && !isIn && found.status !== 'active' && works(current);
  if (refusals === undefined || !isWorse || refusals + 1 >= strikesToAct) return { verdict: found, refusals: 0 };
  return { verdict: current, refusals: refusals + 1 };
}

/** Whether a check that failed so was a check at all: nobody has answered. Our own failures are not the registry's. */
export function isSilence(code: string): boolean {
  return troubleOf(code) === 'outage' && code !== 'internal';
}

function works({ status }: RegistryVerdict): boolean {
  return usableIntegrationStatuses.includes(status);
}

function isAllowed({ outcome }: RepositoryCheck): boolean {
  return outcome === 'allowed';
}
