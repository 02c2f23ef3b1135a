import { cloudSecretKinds } from '../domain/registry-settings.ts';
import type { CloudAccount } from './cloud-accounts.ts';
import type { Transaction } from './connection.ts';
import { sealedSecrets } from './sealed-secrets.ts';
import type { Keyring } from './sealing.ts';

/**
 * Keeps the secret with which a cloud is entered. The one before it is destroyed: whoever needs one opens it for a
 * single use, so that nobody is left who comes back for it. False where it is the one in use.
 */
export async function keepCloudSecret(
  trx: Transaction,
  keyring: Keyring,
  { id, orgId, authMode }: Pick<CloudAccount, 'id' | 'orgId' | 'authMode'>,
  secret: string,
): Promise<boolean> {
  const secrets = sealedSecrets(trx, keyring);
  const owner = { cloudAccountId: id };
  const kind = cloudSecretKinds[authMode as keyof typeof cloudSecretKinds];
  if (!(await secrets.put(owner, orgId, kind, secret))) return false;
  const credential = await secrets.find(owner, kind);
  await trx('credential_versions')
    .where({ credential_id: credential?.id ?? '', status: 'retiring' })
    .update({ status: 'purged', sealed: null, key_id: null, updated_at: Date.now() });
  return true;
}
