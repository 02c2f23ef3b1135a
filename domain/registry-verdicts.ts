import type { IntegrationStatus } from './integration-status.ts';
import type { RepositoryCheck } from './registry-purposes.ts';

/**
 * What a failed check says of the connection. `outage`: nothing, for nobody answered. `ours`: nothing either, for it is
 * the instance that lacks something. `wrong`: it does not work as it is set up, though the credential may be good.
 * `refused`: the credential, or the access that it is made with, is not accepted.
 */
export type Trouble = 'outage' | 'ours' | 'wrong' | 'refused';

const troubles: Record<Exclude<Trouble, 'refused'>, readonly string[]> = {
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
  ],
};

export function troubleOf(code: string): Trouble {
  for (const [trouble, codes] of Object.entries(troubles)) if (codes.includes(code)) return trouble as Trouble;
  return 'refused';
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
  const works = current.status === 'active' || current.status === 'degraded';
  switch (troubleOf(code)) {
    case 'refused':
      return { status: 'reauth_required', reason: code };
    case 'wrong':
      if (works) return { status: 'degraded', reason: code };
      break;
    default:
      if (works) return current;
  }
  // Of one that never worked the reason says what has kept it from it.
  return current.status === 'pending' ? { status: 'pending', reason: code } : current;
}

function isAllowed({ outcome }: RepositoryCheck): boolean {
  return outcome === 'allowed';
}
