import { buildsIn, cancelBuild } from '../builds/builds.ts';
import { dispatchesIn } from '../builds/dispatches.ts';
import type { Transaction } from '../store/connection.ts';
import { everything } from '../store/tenant.ts';

export const repositoryRemoved = 'repository_removed';

/**
 * Cancels what was to be built from repositories that were taken away, as far as nothing was sent. A run that is under
 * way goes on at the provider; whether it can still be followed shows by itself.
 */
export async function stopBuildsOf(trx: Transaction, repositoryIds: string[]): Promise<void> {
  if (repositoryIds.length === 0) return;
  const waiting = await trx('builds')
    .whereIn('repository_id', repositoryIds)
    .whereIn('status', ['blocked', 'queued', 'dispatching'])
    .orderBy('id')
    .select('id', 'status');
  const builds = buildsIn(trx, everything);
  for (const { id, status } of waiting) {
    if (status !== 'dispatching') {
      await cancelBuild(trx, id, repositoryRemoved);
    } else if ((await dispatchesIn(trx).find(id))?.state === 'intent') {
      // Between its attempts: the workflow that waits finds the build over.
      if (!(await withdraw(trx, id))) continue;
      await builds.requestCancel(id, repositoryRemoved);
      await builds.moveStatus(id, 'canceled', { reason: repositoryRemoved });
    }
  }
}

/** Only where nothing has been sent: whoever is about to send moves the same row first. */
async function withdraw(trx: Transaction, buildId: string): Promise<boolean> {
  const withdrawn = await trx('dispatches')
    .where({ build_id: buildId, state: 'intent' })
    .update({ state: 'refused', code: repositoryRemoved, updated_at: Date.now() });
  return withdrawn === 1;
}
