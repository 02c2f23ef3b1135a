import {
  ActivityFailure,
  condition,
  continueAsNew,
  defineSignal,
  log,
  patched,
  setCurrentDetails,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import { beginRecovery, fillGap, finishRecovery, readDeliveryLog, requestRecoveries } from './activities.ts';
import { tell } from './failure.ts';

export type RecoverDeliveries = { githubAppId: string };

export const recoveryRequested = defineSignal('requested');

/** By this time a redelivery has arrived or will not arrive. */
const secondLook = '30 seconds';
/** The pause between two readings. One reading serves all requests made before it. */
const rest = '15 seconds';
/** The remaining wait, because the rest is already a part of it. */
const secondLookAfterRest = '15 seconds';
/** The limit of one reading. A log cannot have more parts, but a hostile server might never end it. */
const mostParts = 200;
/** Each reading checks what the one before had GitHub redeliver. */
const mostLooks = 3;

/** Runs on a schedule and asks for a reading of every App's log. */
export async function recoverAllDeliveries(): Promise<void> {
  await requestRecoveries();
}

/**
 * Reads an App's log of deliveries back to the watermark and gets what is missing. If the log no longer reaches back
 * far enough, it compares the branches with the last decided commits. There is one of these workflows per App.
 */
export async function recoverDeliveries({ githubAppId }: RecoverDeliveries): Promise<void> {
  let wanted = true;
  setHandler(recoveryRequested, () => {
    wanted = true;
  });

  for (let looks = 1; wanted; ) {
    wanted = false;
    let lookAgain = false;
    try {
      const { begunAt, gaps, undecided } = await beginRecovery({ githubAppId });
      if (undecided) return setCurrentDetails('Nothing has requested a recovery');
      const sentAgain = await readAll(githubAppId, begunAt);
      for (const gap of gaps) await fill(gap);
      await finishRecovery({ githubAppId });
      lookAgain = sentAgain && looks < mostLooks;
    } catch (failure) {
      if (!(failure instanceof ActivityFailure)) throw failure;
      await finishRecovery({ githubAppId, failure: tell(failure) });
    }
    if (lookAgain) {
      looks += 1;
      setCurrentDetails('Waiting for GitHub to redeliver');
    }
    // The rest comes after the reading. Otherwise a request after the end of this workflow would start another one at
    // once.
    const rests = patched('rest-between-readings');
    if (rests) await sleep(rest);
    if (lookAgain) {
      await condition(() => wanted, rests ? secondLookAfterRest : secondLook);
      wanted = true;
    }
    if (wanted && workflowInfo().continueAsNewSuggested) await continueAsNew<typeof recoverDeliveries>({ githubAppId });
  }
  setCurrentDetails('Done');
}

/**
 * Reads the log in parts, because a long downtime makes a long log. Returns whether GitHub was asked to redeliver
 * anything.
 */
async function readAll(githubAppId: string, from: number): Promise<boolean> {
  let begunAt = from;
  let sentAgain = false;
  let cursor: string | null = null;
  for (let again = true, part = 1; again && part <= mostParts; part += 1) {
    setCurrentDetails(`Reading the log of deliveries, part ${part}`);
    const reading: Awaited<ReturnType<typeof readDeliveryLog>> = await readDeliveryLog({
      githubAppId,
      begunAt,
      ...(cursor !== null && { cursor }),
    });
    sentAgain ||= reading.sentAgain > 0;
    again = reading.again;
    cursor = reading.next;
    begunAt = reading.begunAt ?? begunAt;
  }
  return sentAgain;
}

/** Compares one repository. A repository that cannot be read does not hold up the others. */
async function fill(gap: { repositoryId: string; ownerId: string }): Promise<void> {
  setCurrentDetails(`Comparing the branches of ${gap.repositoryId} with the last decided commits`);
  try {
    await fillGap(gap);
  } catch (failure) {
    log.warn('The branches of a repository could not be compared', { repositoryId: gap.repositoryId });
    if (!(failure instanceof ActivityFailure)) throw failure;
  }
}
