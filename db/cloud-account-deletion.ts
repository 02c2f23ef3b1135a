import { type CloudAccount, cloudAccountsIn } from './cloud-accounts.ts';
import type { Transaction } from './connection.ts';
import { purgeCredentials } from './purge-credentials.ts';
import { everything } from './tenant.ts';

/** Takes effect with the transaction: from then on nobody opens its access, and its secret is destroyed. */
export async function deleteCloudAccount(trx: Transaction, { id }: Pick<CloudAccount, 'id'>): Promise<void> {
  await cloudAccountsIn(trx, everything).remove(id);
  await purgeCredentials(trx, { cloud_account_id: id });
}

/** All that a project or an organization has. */
export async function deleteCloudAccounts(
  trx: Transaction,
  of: { org_id: string } | { project_id: string },
): Promise<number> {
  const left = await trx('cloud_accounts').where(of).whereNull('deleted_at').orderBy('id').select('id');
  for (const account of left) await deleteCloudAccount(trx, account);
  return left.length;
}
