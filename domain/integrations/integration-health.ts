import { failureFacts, type ProviderErrorCode } from '../ops/provider-failures.ts';
import type { IntegrationStatus } from './integration-status.ts';

/** From worst to best. `unknown` means that there was no check yet. */
export const healthStates = ['failing', 'attention', 'unknown', 'healthy'] as const;
export type HealthState = (typeof healthStates)[number];

/** How soon a credential expires that a person has to replace. */
export const forecasts = ['expired', 'within_7_days', 'within_30_days', 'later', 'never'] as const;
export type Forecast = (typeof forecasts)[number];

const day = 24 * 3_600_000;

export function forecastOf(expiresAt: number | null, now: number): Forecast {
  if (expiresAt === null) return 'never';
  if (expiresAt <= now) return 'expired';
  if (expiresAt <= now + 7 * day) return 'within_7_days';
  return expiresAt <= now + 30 * day ? 'within_30_days' : 'later';
}

export type Judged = {
  status: IntegrationStatus;
  checkedAt: number | null;
  forecast: Forecast;
  /** The number of repository checks that were denied. */
  denied: number;
  /** The number of checks in a row that got no response. */
  strikes: number;
  /** The number of refused checks in a row, too few to change the status. */
  refusals: number;
  incidents: number;
  /** The health that a cloud account imposes, if the integration inherits its access from one. */
  inherited: HealthState | null;
};

const broken: readonly IntegrationStatus[] = ['reauth_required', 'suspended', 'disconnected', 'deleting'];

export function healthOf(judged: Judged): HealthState {
  const { status, checkedAt, forecast, denied, strikes, refusals, incidents, inherited } = judged;
  if (broken.includes(status) || forecast === 'expired') return 'failing';
  if (inherited !== null) return inherited;
  const isSoon = forecast === 'within_7_days' || forecast === 'within_30_days';
  const isDoubted = status === 'degraded' || denied > 0 || strikes > 0 || refusals > 0;
  if (isDoubted || incidents > 0 || isSoon) return 'attention';
  return checkedAt === null || status !== 'active' ? 'unknown' : 'healthy';
}

/** What to do about a status, if no incident says it better. */
const byStatus: Partial<Record<IntegrationStatus, string>> = {
  pending: 'Wait for the verification, or finish connecting the integration.',
  registered: 'Install the GitHub App to finish connecting.',
  awaiting_approval: 'Ask an owner of the account to approve the installation.',
  degraded: 'Check `checks`: a requested access is denied.',
  suspended: 'Unsuspend the installation at the provider.',
  disconnected: 'Connect the account again: `POST /v1/integrations/{integration}/reauthorize`.',
  deleting: 'The integration is being deleted. Give its apps another one.',
};

/** Reasons whose advice is more precise than the advice for the status. */
const preciseReasons: readonly string[] = [
  'realm_not_trusted',
  'tls_untrusted',
  'app_credentials_rejected',
] satisfies ProviderErrorCode[];

type Told = Pick<Judged, 'status'> & { kind: string; reason: string | null };

/** Returns what to do about the status of an integration, or null if there is nothing to do. */
export function statusAction({ kind, status, reason }: Told): string | null {
  const precise = isPrecise(reason) ? failureFacts(reason)?.advice : undefined;
  if (precise) return precise;
  if (status !== 'reauth_required') return byStatus[status] ?? null;
  if (kind === 'github') return 'Authorize the integration again: `POST /v1/integrations/{integration}/reauthorize`.';
  return ['dockerhub', 'oci'].includes(kind)
    ? 'Store credentials that the registry accepts: `PATCH {"credentials": …}`.'
    : 'Fix the cloud account of the integration. Then verify the integration again.';
}

function isPrecise(reason: string | null): reason is string {
  return reason !== null && preciseReasons.includes(reason);
}

/** Says that an integration cannot be used, in which status it is, and what to do. */
export function unusableText(
  { displayName, status, reason }: { displayName: string } & Pick<Told, 'status' | 'reason'>,
  action: string | null,
): string {
  const said = `The integration ${displayName} has the status ${status}${reason ? ` (${reason})` : ''}.`;
  return action === null ? said : `${said} ${action}`;
}

export function nextAction(judged: Judged & Told): string | null {
  const { status, reason, forecast, denied, strikes, refusals } = judged;
  const isKnown = status === 'reauth_required' || isPrecise(reason);
  if (!isKnown && forecast === 'expired') return 'The credential has expired. Store a new one.';
  if (isKnown || status !== 'active') return statusAction(judged);
  if (denied > 0)
    return 'Allow the access that `checks` shows as denied at the registry, or remove the repository from the list.';
  if (forecast === 'within_7_days' || forecast === 'within_30_days') return 'Store a new credential before it expires.';
  if (refusals > 0) return 'No action needed: a check failed, Fairlead will retry.';
  return strikes > 0 ? 'No action needed: the provider did not respond, Fairlead will retry.' : null;
}
