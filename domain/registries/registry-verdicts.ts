import { type IntegrationStatus, usableIntegrationStatuses } from '../integrations/integration-status.ts';
import type { Fault } from '../ops/failure-facts.ts';
import { failureFacts } from '../ops/provider-failures.ts';
import type { RepositoryCheck } from './registry-purposes.ts';
import { strikesToAct } from './registry-watch.ts';

/** Codes of failures on Fairlead's side. They say nothing about the registry. */
const ownFailures = ['internal', 'unknown'];

/** Returns what a failed check says about the connection. An unknown code does not end a good credential. */
export function troubleOf(code: string): Fault {
  if (ownFailures.includes(code)) return 'outage';
  return failureFacts(code)?.fault ?? 'wrong';
}

/** The results of a check: whether the registry accepts the credential, and what it allows in each repository. */
export type RegistryFindings = {
  login: { ok: true } | { ok: false; code: string; message: string };
  checks: RepositoryCheck[];
};

export type RegistryVerdict = { status: IntegrationStatus; reason: string | null };

/** If the registry serves anonymous requests, only a repository that is not public proves a credential. */
export function isProven({ login, checks }: RegistryFindings): boolean {
  return login.ok || (login.code === 'credentials_unproven' && checks.some(isAllowed));
}

/** Returns the status that follows from the results. Results that say nothing about the connection change nothing. */
export function verdictOn(current: RegistryVerdict, { login, checks }: RegistryFindings): RegistryVerdict {
  const denied = checks.find(({ outcome }) => outcome === 'denied');
  if (isProven({ login, checks })) {
    return denied ? { status: 'degraded', reason: denied.code ?? 'denied' } : { status: 'active', reason: null };
  }
  const code = login.ok ? 'unknown' : login.code;
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
  // For a connection that never worked, the reason says why.
  return current.status === 'pending' ? { status: 'pending', reason: code } : current;
}

/**
 * Decides whether to believe a result. If no caller requested the check, `refusals` counts the refusals in a row. A
 * working connection is given up only at the third, because a registry under maintenance refuses many requests for a
 * short time.
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

/**
 * Returns whether a failed check got no response, so that it was no check at all. Fairlead's own failures do not count
 * as the registry's.
 */
export function isSilence(code: string): boolean {
  return troubleOf(code) === 'outage' && code !== 'internal';
}

function works({ status }: RegistryVerdict): boolean {
  return usableIntegrationStatuses.includes(status);
}

function isAllowed({ outcome }: RepositoryCheck): boolean {
  return outcome === 'allowed';
}
