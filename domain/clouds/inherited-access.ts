import type { Forecast, HealthState } from '../integrations/integration-health.ts';
import type { IntegrationStatus } from '../integrations/integration-status.ts';
import type { CloudAccountStatus } from './cloud-accounts.ts';
import { cloudAdvice } from './cloud-advice.ts';

/** The cloud account that an integration inherits its access from. Only an active account gives access. */
export type InheritedAccess = { id: string; status: CloudAccountStatus; reason: string | null };

/** Returns the health that the cloud account imposes on the integration, or null if it imposes none. */
export function inheritedHealth(account: InheritedAccess | null): HealthState | null {
  if (account?.status === 'action_required') return 'failing';
  return account?.status === 'pending' ? 'attention' : null;
}

/** Returns what to do about the cloud account, or null if it works. This comes before problems that it causes. */
export function inheritedAction(
  account: InheritedAccess | null,
  { status, forecast }: { status: IntegrationStatus; forecast: Forecast },
): string | null {
  if (account === null || status === 'deleting') return null;
  const { id, reason } = account;
  if (account.status === 'active') {
    const isEnding = ['expired', 'within_7_days', 'within_30_days'].includes(forecast);
    return isEnding ? `Store a new secret in the cloud account ${id}: \`PATCH /v1/cloud-accounts/${id}\`.` : null;
  }
  if (account.status === 'pending')
    return `Verify the cloud account ${id}. Until then Fairlead returns no credentials.`;
  return `Fix the cloud account ${id}: ${cloudAdvice(reason ?? '')}`;
}
