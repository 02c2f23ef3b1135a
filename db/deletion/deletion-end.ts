import { type RevocationOutcome, worstOutcome } from '../../domain/deletion/revocation.ts';
import type { IncidentCode } from '../../domain/ops/incidents.ts';
import { purgeIdleApp } from '../github/idle-apps.ts';
import { allInstallations } from '../github/installations.ts';
import { appendAudit } from '../ops/audit.ts';
import { allIncidents } from '../ops/incidents.ts';
import { allOperations } from '../ops/operations.ts';
import { purgeCredentials } from '../secrets/credentials.ts';
import type { Transaction } from '../store/connection.ts';
import { release } from './bindings.ts';
import { finishOwners } from './owner-deletion.ts';

/**
 * Ends the deletion of an integration. The row keeps only that there was an integration, and the outcome at the
 * provider. Does nothing if it has ended before.
 */
export async function endDeletion(
  trx: Transaction,
  integrationId: string,
  outcomes: RevocationOutcome[],
): Promise<void> {
  const outcome = worstOutcome(outcomes);
  const now = Date.now();
  const [ended] = await trx('integrations')
    .where({ id: integrationId, status: 'deleting' })
    .update({
      status: 'deleted',
      revocation_outcome: outcome,
      deleted_at: now,
      revision: trx.raw('revision + 1') as unknown as number,
      updated_at: now,
    })
    .returning('*');
  if (!ended) return;
  for (const installationId of await allInstallations(trx).boundIds(integrationId)) {
    await release(trx, { integrationId, installationId });
  }
  await trx('grants').where({ integration_id: integrationId }).delete();
  // The credentials go last, because the revocation needs them until here.
  const purged = await purgeCredentials(trx, { integration_id: integrationId });
  const ofApp = ended.github_app_id === null ? 0 : await purgeIdleApp(trx, ended.github_app_id);
  await leaveUnseenToPerson(trx);
  await allOperations(trx).finish({ kind: 'delete', subjectId: integrationId });
  await allIncidents(trx).resolveAbout(
    integrationId,
    'deletion_stuck',
    'installation_suspended',
    'installation_gone',
    'registry_refused',
    'credential_expiring',
  );
  await appendAudit(trx, {
    orgId: ended.org_id,
    projectId: ended.project_id,
    actor: 'system',
    action: 'integration.deleted',
    target: integrationId,
    outcome: outcome === 'unconfirmed' ? 'failed' : 'succeeded',
    detail: { revocation: ended.revocation, outcome, installations: outcomes.length, purged: purged + ofApp },
  });
  await finishOwners(trx, ended);
}

const unconfirmed = 'revocation_unconfirmed' satisfies IncidentCode;

const onlyByHand =
  'Uninstall it at GitHub, or delete the GitHub App there, then resolve this incident. Fairlead no longer has the key to check it.';

/**
 * Asks a person to finish an unconfirmed uninstallation if the key and webhook secret of the GitHub App are destroyed.
 * Otherwise a webhook or a sync confirms it.
 */
export async function leaveUnseenToPerson(trx: Transaction): Promise<void> {
  const withKey = trx('credentials')
    .join('credential_versions', 'credential_versions.credential_id', 'credentials.id')
    .where('credentials.kind', 'private_key')
    .whereNot('credential_versions.status', 'purged')
    .whereNotNull('credentials.github_app_id')
    .select('credentials.github_app_id');
  const ownApps = trx('github_apps').whereNotNull('org_id').whereNotIn('id', withKey).select('id');
  await trx('incidents')
    .where({ code: unconfirmed, status: 'open' })
    .whereNot({ action: onlyByHand })
    .whereIn('subject_id', trx('installations').whereIn('github_app_id', ownApps).select('id'))
    .update({ action: onlyByHand, updated_at: Date.now() });
}
