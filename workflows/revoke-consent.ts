import { ActivityFailure, setCurrentDetails } from '@temporalio/workflow';
import * as activities from './activities.ts';

export type RevokeConsent = { cloudAccountId: string };

/** Of a cloud account that is deleted: Google is asked to end the consent, for a week. Its secret is destroyed last. */
export async function revokeConsent({ cloudAccountId }: RevokeConsent): Promise<void> {
  setCurrentDetails('Asking Google to end the consent');
  try {
    await activities.revokeConsent({ cloudAccountId });
    setCurrentDetails('Done: the consent has ended');
  } catch (failure) {
    if (!(failure instanceof ActivityFailure)) throw failure;
    await activities.giveUpConsent({ cloudAccountId });
    setCurrentDetails('Google has not confirmed it: an incident tells who gave it');
  }
}
