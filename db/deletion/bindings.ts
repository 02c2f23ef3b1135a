import { endedIntegrationStatuses } from '../../domain/integrations/integration-status.ts';
import { allInstallations, type Installation } from '../github/installations.ts';
import type { Transaction } from '../store/connection.ts';
import { hold, locked } from '../store/locks.ts';

type Binding = { integrationId: string; installationId: string };

/** What is to be done about an installation of an integration that is being deleted. */
export type Release =
  | { step: 'released'; installation: Installation }
  /** It was released before, or never bound. */
  | { step: 'unbound'; installation: Installation | undefined }
  /** Nobody else is left: it is the caller's to uninstall, and stays bound until that is done. */
  | { step: 'last'; installation: Installation };

/**
 * Gives up a binding where others use the installation too, and says so where it is the last. Of several that let go
 * at once exactly one is the last: they wait for each other here. `always` does not ask for others.
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

/** With its last binding an installation that stays at GitHub is nobody's: any organization may claim it again. */
export async function release(trx: Transaction, { integrationId, installationId }: Binding): Promise<void> {
  await holdInstallation(trx, installationId);
  await trx('bindings').where({ integration_id: integrationId, installation_id: installationId }).delete();
  await trx('installations')
    .where({ id: installationId, removed_at: null })
    .whereNotNull('org_id')
    .whereNotIn('id', trx('bindings').where({ installation_id: installationId }).select('installation_id'))
    .update({ org_id: null, updated_at: Date.now() });
}

/** Makes a transaction that claims the installation, or lets go of it, wait for this one. */
async function holdInstallation(trx: Transaction, installationId: string): Promise<void> {
  await hold(locked(trx('installations').where({ id: installationId }).select('id')));
}
