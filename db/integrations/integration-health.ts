import type { InheritedAccess } from '../../domain/clouds/inherited-access.ts';
import { endedIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import type { RegistryPurpose } from '../../domain/registries/registry-purposes.ts';
import { outageSubject } from '../../domain/registries/registry-watch.ts';
import type { Db } from '../store/connection.ts';
import type { IncidentRow } from '../store/tables.ts';
import { usedBy } from './usable-integrations.ts';

export type RegistryCheck = {
  repository: string;
  action: RegistryPurpose;
  outcome: 'allowed' | 'denied' | 'unproven';
  code: string | null;
  checkedAt: number;
};

/** What is stored about an integration's health: the results of its checks, and what a person must do. */
export type HealthFacts = {
  checkedAt: number | null;
  lastSuccessAt: number | null;
  nextCheckAt: number | null;
  /** When its newest lease was created. */
  lastUsedAt: number | null;
  expiresAt: number | null;
  strikes: number;
  refusals: number;
  checks: RegistryCheck[];
  /** Null if the integration has its own access. */
  cloudAccount: InheritedAccess | null;
  /** Open incidents of the integration's own organization, about the integration or what it depends on. */
  incidents: { code: string; title: string; action: string; link: string | null }[];
};

/** The limits for one integration. Checks of a registry are listed by repository. */
const mostChecks = 200;
const mostIncidents = 10;

/**
 * Returns the stored facts about an integration's health. The caller must have found the integration within its scope.
 */
export async function healthFactsOf(db: Db, integrationId: string): Promise<HealthFacts> {
  const row = await db('integrations').where({ id: integrationId }).first();
  const installations = await db('bindings')
    .where({ integration_id: integrationId })
    .limit(200)
    .select('installation_id');
  const app = row?.github_app_id ? await db('github_apps').where({ id: row.github_app_id }).first() : undefined;
  const lease = await db('leases').where({ integration_id: integrationId }).orderBy('id', 'desc').first('created_at');
  const checks = await db('registry_checks')
    .where({ integration_id: integrationId })
    .orderBy(['repository', 'action'])
    .limit(mostChecks);
  const inherited = row?.cloud_account_id
    ? await db('cloud_accounts')
        .where({ id: row.cloud_account_id })
        .first('id', 'status', 'status_reason', 'expires_at')
    : undefined;
  const outage = row && outageSubject(row.org_id, row.host_url);
  const subjects = [integrationId, row?.github_app_id, row?.cloud_account_id, outage];
  const incidents: IncidentRow[] = await db('incidents')
    .where({ status: 'open', org_id: row?.org_id ?? '' })
    .whereIn('subject_id', [
      ...subjects.flatMap((subject) => subject ?? []),
      ...installations.map(({ installation_id: id }) => id),
    ])
    .orderBy('id')
    .limit(mostIncidents);
  return {
    // The sync of its App checks a GitHub integration.
    checkedAt: row?.checked_at ?? app?.synced_at ?? null,
    lastSuccessAt: row?.last_success_at ?? (app?.sync_error === null ? app.synced_at : null),
    nextCheckAt: row?.next_check_at ?? null,
    lastUsedAt: lease?.created_at ?? null,
    expiresAt: row?.expires_at ?? inherited?.expires_at ?? null,
    strikes: row?.strikes ?? 0,
    refusals: row?.refusals ?? 0,
    checks: checks.map(({ repository, action, outcome, code, checked_at: checkedAt }) => ({
      repository,
      action,
      outcome,
      code,
      checkedAt,
    })),
    cloudAccount: inherited ? { id: inherited.id, status: inherited.status, reason: inherited.status_reason } : null,
    incidents: incidents.map(({ code, title, action, link }) => ({ code, title, action, link })),
  };
}

/**
 * Returns the IDs of all integrations that the project can use, whether they work or not. The caller must have found
 * the project within its scope.
 */
export async function usedIntegrationIds(db: Db, projectId: string, atMost: number): Promise<string[]> {
  const rows: { id: string }[] = await usedBy(db, db('integrations'), projectId)
    .whereNotIn('integrations.status', endedIntegrationStatuses)
    .orderBy('integrations.id', 'desc')
    .limit(atMost)
    .select('integrations.id');
  return rows.map(({ id }) => id);
}
