import { ActivityFailure, defineSignal, setHandler } from '@temporalio/workflow';
import type { Verdict } from '../activities/registries/verification.ts';
import { beginVerification, giveUpVerification, probeRegistry, probeRegistryBriefly } from './activities.ts';
import { tell } from './failure.ts';
import { showPhase } from './phase.ts';

export type VerifyIntegration = { integrationId: string };

export const requested = defineSignal('requested');

/**
 * Checks at a registry whether it accepts the stored credential, and what the credential may do in each repository. It
 * repeats this if there was another request in between. There is one of these workflows per integration. A registry
 * that does not respond proves nothing and changes nothing.
 */
export async function verifyIntegration({ integrationId }: VerifyIntegration): Promise<void> {
  let wanted = true;
  setHandler(requested, () => {
    wanted = true;
  });
  while (wanted) {
    wanted = false;
    const wish = await beginVerification({ integrationId });
    if (wish === 'gone') {
      showPhase('gone', 'The integration was deleted, or nothing has requested a check');
      continue;
    }
    showPhase('probing', 'Asking the registry what the credential may do');
    try {
      const verdict = await (wish === 'asked' ? probeRegistry : probeRegistryBriefly)({ integrationId, wish });
      if (verdict) showPhase(verdict.status, found(verdict));
      else wanted = true;
      // The request may also have changed what the active login must be able to do.
      if (verdict?.rejected) wanted = true;
    } catch (failure) {
      if (!(failure instanceof ActivityFailure)) throw failure;
      const told = tell(failure);
      await giveUpVerification({ integrationId, failure: told });
      showPhase('unanswered', `No response (${told.code}): nothing changes`);
    }
  }
}

function found({ status, reason, doubted, rejected }: Verdict): string {
  if (rejected) return `The new login was rejected (${rejected}). The active one stays in use`;
  if (doubted) return `Refused (${doubted}); checking again before the status changes from ${status}`;
  return `Found: ${status}${reason ? `, ${reason}` : ''}`;
}
