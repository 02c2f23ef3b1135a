import type { RegistryStatus } from '../../domain/builds/registry-status.ts';
import { usableIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import type { Db } from '../store/connection.ts';
import type { App } from './apps.ts';

/** How the registries of these apps are, by the apps' ids; those without a registry have none. */
export async function registryStatusesOf(db: Db, apps: App[]): Promise<Map<string, RegistryStatus>> {
  const ids = [...new Set(apps.flatMap(({ registry }) => registry?.integrationId ?? []))];
  const usable = await db('integrations')
    .whereIn('id', ids)
    .whereIn('status', [...usableIntegrationStatuses]);
  const works = new Set(usable.map(({ id }) => id));
  const statusOf = (id: string): RegistryStatus => (works.has(id) ? 'connected' : 'disconnected');
  return new Map(
    apps.flatMap(({ id, registry }) => (registry ? [[id, statusOf(registry.integrationId)] as const] : [])),
  );
}
