import type { RegistryPurpose, RepositoryCheck } from '../../domain/registries/registry-purposes.ts';
import type { Db } from '../store/connection.ts';

export type RegistryCheck = {
  repository: string;
  action: RegistryPurpose;
  outcome: RepositoryCheck['outcome'];
  code: string | null;
  checkedAt: number;
};

/**
 * Stores the results of the checks of a registry's repositories. The caller must have found the integration within its
 * scope.
 */
export function registryChecksIn(db: Db) {
  return {
    async of(integrationId: string): Promise<RegistryCheck[]> {
      const rows = await db('registry_checks')
        .where({ integration_id: integrationId })
        .orderBy(['repository', 'action']);
      return rows.map(({ repository, action, outcome, code, checked_at: checkedAt }) => ({
        repository,
        action,
        outcome,
        code,
        checkedAt,
      }));
    },

    /** Stores results, and deletes the results of what is no longer checked. */
    async put(
      integrationId: string,
      { repositories, purposes }: { repositories: string[]; purposes: RegistryPurpose[] },
      checks: RepositoryCheck[],
      now: number,
    ): Promise<void> {
      await db('registry_checks')
        .where({ integration_id: integrationId })
        .where((old) => old.whereNotIn('repository', repositories).orWhereNotIn('action', purposes))
        .delete();
      if (checks.length === 0) return;
      await db('registry_checks')
        .insert(
          checks.map(({ repository, action, outcome, code = null }) => ({
            integration_id: integrationId,
            repository,
            action,
            outcome,
            code,
            checked_at: now,
          })),
        )
        .onConflict(['integration_id', 'repository', 'action'])
        .merge();
    },
  };
}
