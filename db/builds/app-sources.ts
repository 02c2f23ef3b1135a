import type { RegistryStatus, SourceStatus } from '../../domain/builds/app-sources.ts';
import { usableIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import type { Db } from '../store/connection.ts';
import type { App } from './apps.ts';

/** Returns the status of the source of each app, by the app's ID. Apps without a source have no entry. */
export async function sourceStatusesOf(db: Db, apps: App[]): Promise<Map<string, SourceStatus>> {
  const sources = apps.flatMap(({ source }) => source ?? []);
  const ids = <Key extends 'integrationId' | 'repositoryId'>(key: Key) => [...new Set(sources.map((one) => one[key]))];
  const integrations = await db('integrations').whereIn('id', ids('integrationId')).select('id', 'status');
  const repositories: { id: string; installation_id: string; removed: number | null; gone: number | null }[] = await db(
    'repositories',
  )
    .join('installations', 'installations.id', 'repositories.installation_id')
    .whereIn('repositories.id', ids('repositoryId'))
    .select(
      'repositories.id',
      'repositories.installation_id',
      'repositories.removed_at as removed',
      'installations.removed_at as gone',
    );
  const bindings = await db('bindings')
    .whereIn('integration_id', ids('integrationId'))
    .whereIn(
      'installation_id',
      repositories.map((one) => one.installation_id),
    )
    .select('integration_id', 'installation_id');

  const statusOf = ({ integrationId, repositoryId }: NonNullable<App['source']>): SourceStatus => {
    const status = integrations.find(({ id }) => id === integrationId)?.status;
    if (status === 'suspended') return 'suspended';
    if (!status || !usableIntegrationStatuses.includes(status)) return 'disconnected';
    const repository = repositories.find(({ id }) => id === repositoryId);
    if (!repository || repository.removed !== null) return 'repository_removed';
    const isBound = bindings.some(
      (one) => one.integration_id === integrationId && one.installation_id === repository.installation_id,
    );
    if (!isBound) return 'repository_removed';
    return repository.gone === null ? 'connected' : 'disconnected';
  };
  return new Map(apps.flatMap(({ id, source }) => (source ? [[id, statusOf(source)] as const] : [])));
}

/** Returns the status of the registry of each app, by the app's ID. Apps without a registry have no entry. */
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
