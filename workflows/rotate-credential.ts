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
  shortestOverlapMs,
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
import { showEnd, showPhase } from './phase.ts';

export type RotateCredential = {
  rotationId: string;
  /** The state that an earlier run of this workflow passes on. */
  goOn?: InHand;
};

/** The state of the wait for the end of the old version. */
type InHand = { phase: RotationPhase | null; since: number; pauseMs: number; isReported: boolean };

/** The rotation's row has changed, because a person wants the old version back. */
export const changed = defineSignal('changed');

const minute = 60_000;
/** A person can delete the old key at once or in a month. */
const firstPauseMs = minute;
const longestPauseMs = 30 * minute;
/** The pause after the first day. By then an incident asks the person to delete the key. */
const reportedPauseMs = 360 * minute;

/** Far below Temporal's limit, because the checks can continue for a month. */
const longHistory = 1_000;

type Rotating = InHand & { rotationId: string; news: boolean };

/**
 * Replaces a credential. The provider proves the new version, then it is put in use, and the old one stays valid for
 * some time. Every request is stored in the rotation's row. The workflow reads the row and takes the next step.
 */
export async function rotateCredential({ rotationId, goOn }: RotateCredential): Promise<void> {
  const inHand = goOn ?? { phase: null, since: 0, pauseMs: firstPauseMs, isReported: false };
  const rotating: Rotating = { rotationId, news: false, ...inHand };
  setHandler(changed, () => {
    rotating.news = true;
  });

  // A rotation that ended halfway would leave two valid secrets, so it cannot be canceled.
  await CancellationScope.nonCancellable(async () => {
    for (;;) {
      rotating.news = false;
      const stand = await readRotation({ rotationId });
      if (stand.step === 'over') return showEnd({ status: stand.phase, reason: stand.reason ?? null });
      await advance(rotating, stand);
      if (workflowInfo().historyLength > longHistory && !rotating.news) {
        const { phase, since, pauseMs, isReported } = rotating;
        await continueAsNew<typeof rotateCredential>({ rotationId, goOn: { phase, since, pauseMs, isReported } });
      }
    }
  });
}

async function advance(rotating: Rotating, { step, phase, isWebhook, immediate }: RotationStand): Promise<void> {
  if (step === 'prove') return prove(rotating, isWebhook);
  if (step === 'roll_back') return rollBack(rotating);
  // The wait starts again if the versions have changed places.
  if (rotating.phase !== phase) {
    Object.assign(rotating, { phase, since: Date.now(), pauseMs: firstPauseMs, isReported: false });
  }
  return step === 'overlap' ? overlap(rotating, phase, immediate) : probe(rotating, phase);
}

async function prove({ rotationId }: Rotating, isWebhook: boolean): Promise<void> {
  if (isWebhook) {
    showPhase('proving', 'Waiting until every process knows the new webhook secret');
    await sleep(knownEverywhereMs);
  }
  showPhase('proving', isWebhook ? 'Sending the new webhook secret to GitHub' : 'Trying the new credential at GitHub');
  try {
    await proveVersion({ rotationId });
  } catch (failure) {
    if (!(failure instanceof ActivityFailure)) throw failure;
    return giveUpProof({ rotationId, ...tell(failure) });
  }
  await cutOver({ rotationId });
}

async function rollBack({ rotationId }: Rotating): Promise<void> {
  showPhase('rolling_back', 'Putting the old version back');
  try {
    await proveOldVersion({ rotationId });
  } catch (failure) {
    if (!(failure instanceof ActivityFailure)) throw failure;
    return giveUpRollback({ rotationId, ...tell(failure) });
  }
  await cutBack({ rotationId });
}

/** GitHub can redeliver for days what it signed with the previous secret. */
async function overlap(rotating: Rotating, phase: RotationPhase, immediate: boolean): Promise<void> {
  const { rotationId, since } = rotating;
  const overlapMs = patched('overlap-as-long-as-any-redelivery') ? webhookOverlapMs : shortestOverlapMs;
  const leftMs = since + overlapMs - Date.now();
  if (leftMs > 0 && !immediate) {
    showPhase(phase, 'Webhooks signed with the previous secret still verify');
    await condition(() => rotating.news, leftMs);
    return;
  }
  try {
    await settleVersion({ rotationId });
  } catch (failure) {
    // An App that GitHub refuses for days sends no webhooks.
    log.warn('Could not send the webhook secret to GitHub again', { rotationId, code: codeOf(failure) });
  }
  await retire(rotating, true);
}

/** Ends the rotation. If the database says that it is too early, waits again. */
async function retire(rotating: Rotating, isDead: boolean): Promise<void> {
  const { rotationId } = rotating;
  if ((await retireOldVersion({ rotationId, isDead })) === false) rotating.since = Date.now();
}

/** Checks an old version that only a person can delete, until the provider refuses it. */
async function probe(rotating: Rotating, phase: RotationPhase): Promise<void> {
  const { rotationId, since, pauseMs } = rotating;
  showPhase(
    phase,
    `Waiting for a person to delete the old version at GitHub; checking again in ${pauseMs / minute} min`,
  );
  if (await condition(() => rotating.news, pauseMs)) return;
  rotating.pauseMs = Math.min(pauseMs * 2, rotating.isReported ? reportedPauseMs : longestPauseMs);

  const found = await probeOldVersion({ rotationId }).catch((failure) => {
    log.warn('Could not check whether the old version still works', { rotationId, code: codeOf(failure) });
    return 'unknown';
  });
  if (found === 'dead') return retire(rotating, true);
  const waitedMs = Date.now() - since;
  // A failed check has seen nothing.
  const isToTell = found === 'alive' || !patched('tell-what-is-seen');
  if (waitedMs >= oldAliveIncidentMs && !rotating.isReported && isToTell) {
    await reportOldAlive({ rotationId });
    rotating.isReported = true;
  }
  if (waitedMs >= oldAliveMs) await retire(rotating, false);
}
