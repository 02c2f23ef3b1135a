import type { Transaction } from '../store/connection.ts';

/** An App of one's own is of no more use without an integration, so its secrets go; the operator's stays. */
export async function purgeIdleApp(trx: Transaction, githubAppId: string): Promise<number> {
  const locked = trx('github_apps').where({ id: githubAppId }).first();
  // Two integrations that end at once: the second sees that the first is gone.
  if (trx.client.config.client === 'pg') locked.forUpdate();
  const app = await locked;
  if (!app || app.org_id === null) return 0;
  return (await isAppInUse(trx, githubAppId)) ? 0 : purgeCredentials(trx, { github_app_id: githubAppId });
}

/** Also by an integration that is being deleted: its key is what that is done with. */
export async function isAppInUse(trx: Transaction, githubAppId: string): Promise<boolean> {
  const left = await trx('integrations')
    .where({ github_app_id: githubAppId })
    .whereNotIn('status', ['deleted', 'expired'])
    .first('id');
  return left !== undefined;
}

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
