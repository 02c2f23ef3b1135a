import { ActivityFailure, defineSignal, setHandler } from '@temporalio/workflow';
import { askCloud, beginCloudCheck, giveUpCloudCheck } from './activities.ts';
import { tell } from './failure.ts';
import { showPhase } from './phase.ts';

export type VerifyCloudAccount = { cloudAccountId: string };

export const requested = defineSignal('requested');

/**
 * Asks a cloud whether it lets an account in; once more while it is asked for again meanwhile. One of these runs per
 * account. A cloud that does not answer proves nothing, and nothing is changed.
 */
export async function verifyCloudAccount({ cloudAccountId }: VerifyCloudAccount): Promise<void> {
  let wanted = true;
  setHandler(requested, () => {
    wanted = true;
  });
  while (wanted) {
    wanted = false;
    if (!(await beginCloudCheck({ cloudAccountId }))) {
      showPhase('gone', 'The account was deleted');
      continue;
    }
    showPhase('asking', 'Asking the cloud who this is');
    try {
      // The access was replaced while it was tried: that says nothing of the new one.
      if (!(await askCloud({ cloudAccountId }))) wanted = true;
      else showPhase('done', 'The cloud has answered');
    } catch (failure) {
      if (!(failure instanceof ActivityFailure)) throw failure;
      const told = tell(failure);
      await giveUpCloudCheck({ cloudAccountId, failure: told });
      showPhase('unanswered', `No answer that says anything (${told.code}): everything stays as it is`);
    }
  }
}
