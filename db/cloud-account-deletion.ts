import { type CloudAccount, cloudAccountsIn } from './cloud-accounts.ts';
import type { Transaction } from './connection.ts';
import { requestConsentEnd } from './google-consent-ends.ts';
import { purgeCredentials } from './purge-credentials.ts';
import { everything } from './tenant.ts';

/** Takes effect with the transaction: from then on nobody opens its access, and its secret is destroyed. */
export async function deleteCloudAccount(trx: Transaction, account: Deleted): Promise<void> {
  await cloudAccountsIn(trx, everything).remove(account.id);
  // Google is told with the secret itself, which is destroyed after that.
  if (account.authMode === 'oauth') await requestConsentEnd(trx, account);
  else await purgeCredentials(trx, { cloud_account_id: account.id });
}

type Deleted = Pick<CloudAccount, 'id' | 'orgId' | 'projectId' | 'authMode'>;

/** All that a project or an organization has. */
export async function deleteCloudAccounts(
  trx: Transaction,
  of: { org_id: string } | { project_id: string },
): Promise<number> {
  const left = await trx('cloud_accounts').where(of).whereNull('deleted_at').orderBy('id');
  for (const { id, org_id: orgId, project_id: projectId, auth_mode: authMode } of left) {
    await deleteCloudAccount(trx, { id, orgId, projectId, authMode });
  }
  return left.length;
}
