import { ActivityFailure, setCurrentDetails } from '@temporalio/workflow';
import { giveUpRevocation, revokeMintedToken } from './activities.ts';
import { tell } from './failure.ts';

export type RevokeToken = { mintedTokenId: string };

/** Revokes a token. It tries until the provider confirms the end or the token has expired. */
export async function revokeToken({ mintedTokenId }: RevokeToken): Promise<void> {
  setCurrentDetails('Asking the provider to revoke a token');
  try {
    await revokeMintedToken({ mintedTokenId });
    setCurrentDetails('Done: the provider has revoked the token');
  } catch (failure) {
    if (!(failure instanceof ActivityFailure)) throw failure;
    setCurrentDetails('The provider has not confirmed it: the token expires within an hour of its creation');
    await giveUpRevocation({ mintedTokenId, failure: tell(failure) });
  }
}
