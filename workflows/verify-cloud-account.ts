import { ActivityFailure, defineSignal, setHandler } from '@temporalio/workflow';
import { askCloud, beginCloudCheck, giveUpCloudCheck } from './activities.ts';
import { tell } from './failure.ts';
import { showPhase } from './phase.ts';

export type VerifyCloudAccount = { cloudAccountId: string };

export const requested = defineSignal('requested');

/**
 * Checks a cloud account at its cloud. It repeats this if there was another request in between. There is one of these
 * workflows per account. A cloud that does not respond proves nothing and changes nothing.
 */
export async function verifyCloudAccount({ cloudAccountId }: VerifyCloudAccount): Promise<void> {
  let wanted = true;
  setHandler(requested, () => {
    wanted = true;
  });
  while (wanted) {
    wanted = false;
    if (!(await beginCloudCheck({ cloudAccountId }))) {
      showPhase('gone', 'The account was deleted, or nothing has requested a check');
      continue;
    }
    showPhase('asking', 'Checking the account at the cloud');
    try {
      // The access was replaced during the check, so the result says nothing about the new access.
      if (!(await askCloud({ cloudAccountId }))) wanted = true;
      else showPhase('done', 'The cloud has responded');
    } catch (failure) {
      if (!(failure instanceof ActivityFailure)) throw failure;
      const told = tell(failure);
      await giveUpCloudCheck({ cloudAccountId, failure: told });
      showPhase('unanswered', `No usable response (${told.code}): nothing changes`);
    }
  }
}
