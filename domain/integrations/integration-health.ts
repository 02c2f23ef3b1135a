import type { CloudAccountStatus } from '../clouds/cloud-accounts.ts';
import { cloudAdvice } from '../clouds/cloud-advice.ts';
import type { IntegrationStatus } from './integration-status.ts';

/** From worst to best. `unknown`: nobody has looked yet. */
export const healthStates = ['failing', 'attention', 'unknown', 'healthy'] as const;
export type HealthState = (typeof healthStates)[number];

/** How soon something ends that somebody has to replace by hand. */
export const forecasts = ['expired', 'within_7_days', 'within_30_days', 'later', 'never'] as const;
export type Forecast = (typeof forecasts)[number];

const day = 24 * 3_600_000;

export function forecastOf(expiresAt: number | null, now: number): Forecast {
  if (expiresAt === null) return 'never';
  if (expiresAt <= now) return 'expired';
  if (expiresAt <= now + 7 * day) return 'within_7_days';
  return expiresAt <= now + 30 * day ? 'within_30_days' : 'later';
}

/** The account that an integration inherits its access from; nothing is given out unless it is active. */
export type InheritedAccess = { id: string; status: CloudAccountStatus; reason: string | null };

export type Judged = {
  status: IntegrationStatus;
  checkedAt: number | null;
  forecast: Forecast;
  /** What was found out of repositories. */
  denied: number;
  /** Checks in a row that got no answer. */
  strikes: number;
  /** Checks in a row that were refused, and are not believed yet. */
  refusals: number;
  incidents: number;
  cloudAccount: InheritedAccess | null;
};

const broken: readonly IntegrationStatus[] = ['reauth_required', 'suspended', 'disconnected', 'deleting'];

export function healthOf(judged: Judged): HealthState {
  const { status, checkedAt, forecast, denied, strikes, refusals, incidents, cloudAccount } = judged;
  if (broken.includes(status) || forecast === 'expired') return 'failing';
  if (cloudAccount?.status === 'action_required') return 'failing';
  if (cloudAccount?.status === 'pending') return 'attention';
  const isSoon = forecast === 'within_7_days' || forecast === 'within_30_days';
  const isDoubted = status === 'degraded' || denied > 0 || strikes > 0 || refusals > 0;
  if (isDoubted || incidents > 0 || isSoon) return 'attention';
  return checkedAt === null || status !== 'active' ? 'unknown' : 'healthy';
}

/** What to do about the cloud account, which comes before all that came of it; nothing where it is all right. */
export function inheritedAction({ status, cloudAccount }: Pick<Judged, 'status' | 'cloudAccount'>): string | null {
  if (cloudAccount === null || cloudAccount.status === 'active' || status === 'deleting') return null;
  const { id, reason } = cloudAccount;
  if (cloudAccount.status === 'pending') return `Verify the cloud account ${id}: nothing is given out before.`;
  return `Mend the cloud account ${id}: ${cloudAdvice(reason ?? '')}`;
}

/** What to do about a status, where no incident says it better. */
const byStatus: Partial<Record<IntegrationStatus, string>> = {
  pending: 'Wait for its verification, or finish connecting it.',
  registered: 'Finish connecting it: install the App.',
  awaiting_approval: 'Have an owner of the account approve the installation.',
  degraded: 'Look at the checks: something that was asked for is not allowed.',
  suspended: 'Unsuspend the installation at the provider.',
  disconnected: 'Connect it again: `POST /v1/integrations/{integration}/reauthorize`.',
  deleting: 'Nothing: it is being deleted. Give its apps another one.',
};

/** What to do about a reason that says more than the status does. */
const byReason: Record<string, string> = {
  realm_not_trusted:
    'Look at the host that the registry wants credentials sent to; if it is the registry’s, agree with `PATCH {"realm": …}`.',
  tls_untrusted: 'Store the certificate of the registry’s authority: `PATCH {"ca_pem": …}`.',
  app_credentials_rejected: 'Bring a new private key: `POST /v1/integrations/{integration}/credentials/rotate`.',
};

export function nextAction({
  kind,
  status,
  reason,
  forecast,
  denied,
  strikes,
  refusals,
}: Judged & { kind: string; reason: string | null }): string | null {
  const known = reason === null ? undefined : byReason[reason];
  if (known) return known;
  if (status === 'reauth_required') {
    if (kind === 'github') return 'Authorize it again: `POST /v1/integrations/{integration}/reauthorize`.';
    return ['dockerhub', 'oci'].includes(kind)
      ? 'Store a credential that the registry accepts: `PATCH {"credentials": …}`.'
      : 'Mend the cloud account that it inherits its access from, then verify it again.';
  }
  if (forecast === 'expired') return 'Its credential has expired by its own date: store a new one.';
  if (status !== 'active') return byStatus[status] ?? null;
  if (denied > 0) return 'Allow at the registry what the checks say is denied, or take it off the list.';
  if (forecast === 'within_7_days' || forecast === 'within_30_days') return 'Store a new credential before it expires.';
  if (refusals > 0) return 'Nothing yet: it was refused, and is asked again before that is believed.';
  return strikes > 0 ? 'Nothing yet: the provider did not answer, and is asked again.' : null;
}
