import { cloudSecretKinds } from '../domain/registry-settings.ts';
import type { CloudAccount } from './cloud-accounts.ts';
import type { Transaction } from './connection.ts';
import { sealedSecrets } from './sealed-secrets.ts';
import type { Keyring } from './sealing.ts';

/**
 * Keeps the secret with which a cloud is entered, and destroys the one before it. False where it is the one in use.
 */
export async function keepCloudSecret(
  trx: Transaction,
  keyring: Keyring,
  { id, orgId, authMode }: Pick<CloudAccount, 'id' | 'orgId' | 'authMode'>,
  secret: string,
): Promise<boolean> {
  const kind = cloudSecretKinds[authMode as keyof typeof cloudSecretKinds];
  return sealedSecrets(trx, keyring).replace({ cloudAccountId: id }, orgId, kind, secret);
}
