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
