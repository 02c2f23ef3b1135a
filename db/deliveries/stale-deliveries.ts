import { staleReasons } from '../../domain/deliveries/delivery-status.ts';
import { usableIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import type { Transaction } from '../store/connection.ts';
import { arm } from './store-deliveries.ts';

/** An older push is no longer decided automatically. A person can redeliver it at GitHub. */
const youngestMs = 24 * 3_600_000;
/** Enough for the pushes of a busy day, and little enough for one transaction. */
const mostAtOnce = 500;

/**
 * Queues ignored deliveries of the GitHub App again, if the sync has found what was missing. A bound installation must
 * reach the repository, and an integration must be able to build. Queues each delivery only once, so that a state that
 * keeps changing cannot repeat it forever. Returns the number of queued deliveries.
 */
export async function armStaleDeliveries(trx: Transaction, githubAppId: string): Promise<number> {
  const ids: string[] = await trx('deliveries')
    .join('installations', (join) => {
      join
        .on('installations.github_app_id', 'deliveries.github_app_id')
        .andOn('installations.external_id', 'deliveries.installation_external_id');
    })
    .join('repositories', (join) => {
      join
        .on('repositories.github_app_id', 'deliveries.github_app_id')
        .andOn('repositories.external_id', 'deliveries.repository_external_id')
        .andOn('repositories.installation_id', 'installations.id');
    })
    .where('deliveries.github_app_id', githubAppId)
    .where('deliveries.status', 'ignored')
    .where('deliveries.received_at', '>', Date.now() - youngestMs)
    .whereIn('deliveries.reason', staleReasons)
    .whereNull('deliveries.rearmed_at')
    .whereNotNull('installations.org_id')
    .whereNull('installations.removed_at')
    .whereNull('repositories.removed_at')
    .whereExists(
      trx('apps')
        .join('integrations', 'integrations.id', 'apps.source_integration_id')
        .join('pipelines', 'pipelines.app_id', 'apps.id')
        .whereRaw('apps.source_repository_id = repositories.id')
        .whereNull('apps.deleted_at')
        .whereNull('pipelines.deleted_at')
        // Nothing is built that was pushed before the pipeline existed.
        .whereRaw('pipelines.created_at <= deliveries.received_at')
        .whereIn('integrations.status', usableIntegrationStatuses)
        .select('apps.id'),
    )
    .whereNotExists(builtOf(trx))
    .orderBy('deliveries.id')
    .limit(mostAtOnce)
    .pluck('deliveries.id');
  if (ids.length === 0) return 0;
  const armed = await arm(trx, trx('deliveries').whereIn('id', ids).where({ status: 'ignored' }));
  await trx('deliveries').whereIn('id', ids).update({ rearmed_at: Date.now() });
  await trx('decisions').whereIn('delivery_id', ids).whereNull('build_id').delete();
  return armed;
}

function builtOf(trx: Transaction) {
  return trx('decisions')
    .whereRaw('decisions.delivery_id = deliveries.id')
    .whereNotNull('build_id')
    .select('delivery_id');
}
