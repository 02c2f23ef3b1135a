import { ActivityFailure, defineSignal, setHandler } from '@temporalio/workflow';
import { beginVerification, giveUpVerification, probeRegistry, probeRegistryBriefly } from './activities.ts';
import { tell } from './failure.ts';
import { showPhase } from './phase.ts';

export type VerifyIntegration = { integrationId: string };

export const requested = defineSignal('requested');

/**
 * Asks a registry whether it takes what is stored for it, and what that may do in each repository; once more while it
 * is asked for again meanwhile. One of these runs per integration. A registry that does not answer proves nothing, and
 * nothing is changed.
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
      showPhase('gone', 'There is nothing to verify any more');
      continue;
    }
    showPhase('probing', 'Asking the registry what the credential may do');
    try {
      const verdict = await (wish === 'asked' ? probeRegistry : probeRegistryBriefly)({ integrationId, wish });
      if (verdict) showPhase(verdict.status, found(verdict));
      else wanted = true;
    } catch (failure) {
      if (!(failure instanceof ActivityFailure)) throw failure;
      const told = tell(failure);
      await giveUpVerification({ integrationId, failure: told });
      showPhase('unanswered', `Nobody answered (${told.code}): everything stays as it is`);
    }
  }
}

function found({ status, reason, doubted }: { status: string; reason: string | null; doubted: string | null }): string {
  if (doubted) return `Refused (${doubted}), and asked again before that is believed: still ${status}`;
  return `Found: ${status}${reason ? `, ${reason}` : ''}`;
}
