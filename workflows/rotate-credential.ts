import {
  ActivityFailure,
  CancellationScope,
  condition,
  continueAsNew,
  defineSignal,
  log,
  patched,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { RotationStand } from '../activities/secrets/rotation-steps.ts';
import {
  knownEverywhereMs,
  oldAliveIncidentMs,
  oldAliveMs,
  type RotationPhase,
  webhookOverlapMs,
} from '../domain/secrets/rotation-phase.ts';
import {
  cutBack,
  cutOver,
  giveUpProof,
  giveUpRollback,
  probeOldVersion,
  proveOldVersion,
  proveVersion,
  readRotation,
  reportOldAlive,
  retireOldVersion,
  settleVersion,
} from './activities.ts';
import { codeOf, tell } from './failure.ts';
import { showPhase } from './phase.ts';

export type RotateCredential = {
  rotationId: string;
  /** What an earlier run had in hand. */
  goOn?: InHand;
};

/** How the wait for the old version's end stands. */
type InHand = { phase: RotationPhase | null; since: number; pauseMs: number; isReported: boolean };

/** The rotation's row has changed: somebody wants the old version back. */
export const changed = defineSignal('changed');

const minute = 60_000;
/** A person may delete the old key at once, or in a month. */
const firstPauseMs = minute;
const longestPauseMs = 30 * minute;
/** Who has not done it on the first day does it when they see the incident. */
const reportedPauseMs = 360 * minute;

/** Of rotations that were under way before Enterprise Servers were thought of. */
const formerOverlapMs = 4 * 1_440 * minute;

/** Far below Temporal's limit: a month of looking is long. */
const longHistory = 1_000;

type Rotating = InHand & { rotationId: string; news: boolean };

/**
 * Replaces a credential: the new version is proven at the provider, then it is the one in use, and the old one is good
 * until nobody can need it any more. Whatever is asked meanwhile lands in the rotation's row; this does what is next.
 */
export async function rotateCredential({ rotationId, goOn }: RotateCredential): Promise<void> {
  const inHand = goOn ?? { phase: null, since: 0, pauseMs: firstPauseMs, isReported: false };
  const rotating: Rotating = { rotationId, news: false, ...inHand };
  setHandler(changed, () => {
    rotating.news = true;
  });

  // Half a rotation would leave two secrets for ever, so nobody ends it in the middle.
  await CancellationScope.nonCancellable(async () => {
    for (;;) {
      rotating.news = false;
      const stand = await readRotation({ rotationId });
      if (stand.step === 'over') return showPhase(stand.phase, `Ended: ${stand.phase}`);
      await advance(rotating, stand);
      if (workflowInfo().historyLength > longHistory && !rotating.news) {
        const { phase, since, pauseMs, isReported } = rotating;
        await continueAsNew<typeof rotateCredential>({ rotationId, goOn: { phase, since, pauseMs, isReported } });
      }
    }
  });
}

async function advance(rotating: Rotating, { step, phase, isWebhook }: RotationStand): Promise<void> {
  if (step === 'prove') return prove(rotating, isWebhook);
  if (step === 'roll_back') return rollBack(rotating);
  // The wait begins anew where the versions have changed places.
  if (rotating.phase !== phase) {
    Object.assign(rotating, { phase, since: Date.now(), pauseMs: firstPauseMs, isReported: false });
  }
  return step === 'overlap' ? overlap(rotating, phase) : probe(rotating, phase);
}

async function prove({ rotationId }: Rotating, isWebhook: boolean): Promise<void> {
  if (isWebhook) {
    showPhase('proving', 'Waiting until every process knows the new webhook secret');
    await sleep(knownEverywhereMs);
  }
  showPhase('proving', isWebhook ? 'Telling GitHub the new webhook secret' : 'Trying the new one at GitHub');
  try {
    await proveVersion({ rotationId });
  } catch (failure) {
    if (!(failure instanceof ActivityFailure)) throw failure;
    return giveUpProof({ rotationId, ...tell(failure) });
  }
  await cutOver({ rotationId });
}

async function rollBack({ rotationId }: Rotating): Promise<void> {
  showPhase('rolling_back', 'Putting the old one back');
  try {
    await proveOldVersion({ rotationId });
  } catch (failure) {
    if (!(failure instanceof ActivityFailure)) throw failure;
    return giveUpRollback({ rotationId, ...tell(failure) });
  }
  await cutBack({ rotationId });
}

/** GitHub may send again for days what it has signed with the secret before. */
async function overlap(rotating: Rotating, phase: RotationPhase): Promise<void> {
  const { rotationId, since } = rotating;
  const overlapMs = patched('overlap-as-long-as-any-redelivery') ? webhookOverlapMs : formerOverlapMs;
  const leftMs = since + overlapMs - Date.now();
  if (leftMs > 0) {
    showPhase(phase, 'Webhooks that were signed with the secret before still verify');
    await condition(() => rotating.news, leftMs);
    return;
  }
  try {
    await settleVersion({ rotationId });
  } catch (failure) {
    // An App that GitHub refuses for days sends no webhooks.
    log.warn('GitHub could not be told once more of the webhook secret', { rotationId, code: codeOf(failure) });
  }
  await retireOldVersion({ rotationId, isDead: true });
}

/** What only a person can delete is tried until it is refused. */
async function probe(rotating: Rotating, phase: RotationPhase): Promise<void> {
  const { rotationId, since, pauseMs } = rotating;
  showPhase(phase, `Waiting for the old one to be deleted at GitHub; looking again in ${pauseMs / minute} min`);
  if (await condition(() => rotating.news, pauseMs)) return;
  rotating.pauseMs = Math.min(pauseMs * 2, rotating.isReported ? reportedPauseMs : longestPauseMs);

  const found = await probeOldVersion({ rotationId }).catch((failure) => {
    log.warn('It could not be seen whether the old one is dead', { rotationId, code: codeOf(failure) });
    return 'unknown';
  });
  if (found === 'dead') return retireOldVersion({ rotationId, isDead: true });
  const waitedMs = Date.now() - since;
  // A look that failed has seen nothing.
  const isToTell = found === 'alive' || !patched('tell-what-is-seen');
  if (waitedMs >= oldAliveIncidentMs && !rotating.isReported && isToTell) {
    await reportOldAlive({ rotationId });
    rotating.isReported = true;
  }
  if (waitedMs >= oldAliveMs) await retireOldVersion({ rotationId, isDead: false });
}
