import type { IncidentCode } from '../../domain/ops/incidents.ts';
import type { Transaction } from '../store/connection.ts';

const unconfirmed = 'revocation_unconfirmed' satisfies IncidentCode;

const onlyByHand =
  'Uninstall it at GitHub, or delete the App there; then resolve this incident. Fairlead has the App’s key no more, and cannot see that it was done.';

/**
 * An uninstallation that nobody has confirmed is told by a webhook or seen by a sync, but not of an App whose key and
 * webhook secret are destroyed: a person is told then that it is theirs to end.
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
