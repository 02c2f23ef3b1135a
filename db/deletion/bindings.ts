import { endedIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import { allInstallations, type Installation } from '../github/installations.ts';
import type { Transaction } from '../store/connection.ts';
import { hold, locked } from '../store/locks.ts';

type Binding = { integrationId: string; installationId: string };

/** What to do about an installation of an integration that is being deleted. */
export type Release =
  | { step: 'released'; installation: Installation }
  /** The binding was released before, or never existed. */
  | { step: 'unbound'; installation: Installation | undefined }
  /** No other integration uses it: the caller uninstalls it, and the binding stays until then. */
  | { step: 'last'; installation: Installation };

/**
 * Releases a binding if other integrations use the installation too. If several transactions release at once, they wait
 * for each other, so exactly one is the last. `always` treats the binding as the last one.
 */
export async function releaseUnlessLast(
  trx: Transaction,
  { integrationId, installationId }: Binding,
  always: boolean,
): Promise<Release> {
  await holdInstallation(trx, installationId);
  const installation = await allInstallations(trx).find(installationId);
  const mine = await trx('bindings').where({ integration_id: integrationId, installation_id: installationId }).first();
  if (!installation || !mine) return { step: 'unbound', installation };
  const other = await trx('bindings')
    .join('integrations', 'integrations.id', 'bindings.integration_id')
    .where('bindings.installation_id', installationId)
    .whereNot('bindings.integration_id', integrationId)
    .whereNotIn('integrations.status', endedIntegrationStatuses)
    .first('bindings.integration_id');
  if (!other || always) return { step: 'last', installation };
  await release(trx, { integrationId, installationId });
  return { step: 'released', installation };
}

/** Releases a binding. After the last one, any organization may claim the installation, if it stays at GitHub. */
export async function release(trx: Transaction, { integrationId, installationId }: Binding): Promise<void> {
  await holdInstallation(trx, installationId);
  await trx('bindings').where({ integration_id: integrationId, installation_id: installationId }).delete();
  await trx('installations')
    .where({ id: installationId, removed_at: null })
    .whereNotNull('org_id')
    .whereNotIn('id', trx('bindings').where({ installation_id: installationId }).select('installation_id'))
    .update({ org_id: null, updated_at: Date.now() });
}

/** Makes other transactions that claim or release the installation wait for this one. */
async function holdInstallation(trx: Transaction, installationId: string): Promise<void> {
  await hold(locked(trx('installations').where({ id: installationId }).select('id')));
}
