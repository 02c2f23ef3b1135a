import { rotateSigningKeys } from '../../broker/clouds/signing-keys.ts';
import type { Database } from '../../db/store/connection.ts';
import type { Keyring } from '../../db/store/sealing.ts';

export type SigningKeyDeps = { database: Database; keyring: Keyring };

/** What keeps the keys of Fairlead as an OIDC issuer young. */
export function signingKeyActivities({ database, keyring }: SigningKeyDeps) {
  return {
    rotateSigningKeys: () => rotateSigningKeys(database, keyring),
  };
}
