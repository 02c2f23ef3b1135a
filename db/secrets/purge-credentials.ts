import type { Transaction } from '../store/connection.ts';

/** Destroys every version there is; that there were some stays known. */
export async function purgeCredentials(
  trx: Transaction,
  owner: { integration_id: string } | { github_app_id: string } | { cloud_account_id: string },
): Promise<number> {
  const credentials = trx('credentials').where(owner).select('id');
  return trx('credential_versions')
    .whereIn('credential_id', credentials)
    .whereNot({ status: 'purged' })
    .update({ status: 'purged', sealed: null, key_id: null, updated_at: Date.now() });
}
