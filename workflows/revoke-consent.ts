import { ActivityFailure, setCurrentDetails } from '@temporalio/workflow';
import * as activities from './activities.ts';

export type RevokeConsent = { cloudAccountId: string };

/** Ends the Google consent of a deleted cloud account. It tries for a week and destroys the secret last. */
export async function revokeConsent({ cloudAccountId }: RevokeConsent): Promise<void> {
  setCurrentDetails('Asking Google to revoke the consent');
  try {
    await activities.revokeConsent({ cloudAccountId });
    setCurrentDetails('Done: Google has revoked the consent');
  } catch (failure) {
    if (!(failure instanceof ActivityFailure)) throw failure;
    await activities.giveUpConsent({ cloudAccountId });
    setCurrentDetails('Google has not confirmed it: an incident asks the person who gave the consent');
  }
}
