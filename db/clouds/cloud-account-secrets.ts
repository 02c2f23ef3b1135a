import { cloudSecretKinds } from '../../domain/registries/registry-settings.ts';
import { sealedSecrets } from '../secrets/sealed-secrets.ts';
import type { Transaction } from '../store/connection.ts';
import type { Keyring } from '../store/sealing.ts';
import type { CloudAccount } from './cloud-accounts.ts';

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
