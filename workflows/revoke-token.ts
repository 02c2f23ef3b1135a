import { ActivityFailure, setCurrentDetails } from '@temporalio/workflow';
import { giveUpRevocation, revokeMintedToken } from './activities.ts';
import { tell } from './failure.ts';

export type RevokeToken = { mintedTokenId: string };

/** A token that nobody may use any more: its provider is asked to end it until it says so, or the token has expired. */
export async function revokeToken({ mintedTokenId }: RevokeToken): Promise<void> {
  setCurrentDetails('Asking the provider to revoke a token');
  try {
    await revokeMintedToken({ mintedTokenId });
    setCurrentDetails('Done: the token is dead');
  } catch (failure) {
    if (!(failure instanceof ActivityFailure)) throw failure;
    setCurrentDetails('The provider has not confirmed it: the token dies within an hour of its making');
    await giveUpRevocation({ mintedTokenId, failure: tell(failure) });
  }
}
