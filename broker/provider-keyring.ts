import { type Keyring, UnreadableSecret } from '../db/store/sealing.ts';
import { ProviderError } from '../providers/failure.ts';

/**
 * Returns the keyring for everything that calls providers. If a secret does not open, throws the failure of a call that
 * Fairlead did not send. It is our fault, and a retry does not help.
 */
export function providerKeyring(keyring: Keyring): Keyring {
  return {
    ...keyring,
    open(sealed, context) {
      try {
        return keyring.open(sealed, context);
      } catch (error) {
        if (!(error instanceof UnreadableSecret)) throw error;
        throw new ProviderError({ provider: 'fairlead', code: error.code, message: error.message });
      }
    },
  };
}
