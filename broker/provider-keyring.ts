import { type Keyring, UnreadableSecret } from '../db/store/sealing.ts';
import { ProviderError } from '../providers/failure.ts';

/**
 * The keyring of everything that calls providers. A secret that does not open fails like a provider that Fairlead cannot
 * call: nothing was sent, it is our fault, and a retry does not help.
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
