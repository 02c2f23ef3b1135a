import { allCloudAccounts, type CloudAccount } from '../clouds/cloud-accounts.ts';
import { requestConsentEnd } from '../clouds/google-consent-ends.ts';
import { allIncidents } from '../ops/incidents.ts';
import { purgeCredentials } from '../secrets/credentials.ts';
import type { Transaction } from '../store/connection.ts';
import type { Deletion } from './integration-deletion.ts';

/** Deletes a cloud account. From the commit on no request can use its access, and its secret is destroyed. */
export async function deleteCloudAccount(trx: Transaction, account: Deleted, audit: Deletion['audit']): Promise<void> {
  const { id: target, orgId, projectId } = account;
  await allCloudAccounts(trx).remove(target);
  await allIncidents(trx).resolveAbout(target, 'cloud_account_refused', 'credential_expiring', 'secret_unreadable');
  // Revoking the consent at Google needs the secret, which is destroyed after that.
  if (account.authMode === 'oauth') await requestConsentEnd(trx, account);
  else await purgeCredentials(trx, { cloud_account_id: target });
  await audit({ orgId, projectId, action: 'cloud_account.deleted', target });
}

type Deleted = Pick<CloudAccount, 'id' | 'orgId' | 'projectId' | 'authMode'>;

/** Deletes all cloud accounts of a project or an organization. */
export async function deleteCloudAccounts(
  trx: Transaction,
  of: { org_id: string } | { project_id: string },
  audit: Deletion['audit'],
): Promise<void> {
  const left = await trx('cloud_accounts').where(of).whereNull('deleted_at').orderBy('id');
  for (const { id, org_id: orgId, project_id: projectId, auth_mode: authMode } of left) {
    await deleteCloudAccount(trx, { id, orgId, projectId, authMode }, audit);
  }
}
