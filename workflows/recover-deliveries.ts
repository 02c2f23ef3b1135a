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

/** What was sent again has come by then, or does not come. */
const secondLook = '30 seconds';
/** Between two readings, however many ask: what is asked for meanwhile, the next one answers. */
const rest = '15 seconds';
/** The rest was a part of it. */
const secondLookAfterRest = '15 seconds';
/** Of one reading: more than a log can have, but a host that is not GitHub's may never say that it ends. */
const mostParts = 200;
/** Each of them looks for what the one before had sent again. */
const mostLooks = 3;

/** Started by the schedule: has every App's log read. */
export async function recoverAllDeliveries(): Promise<void> {
  await requestRecoveries();
}

/**
 * Reads an App's log of deliveries back to what is known to be here, and gets what is missing. For what the log no
 * longer has, the heads of the branches are compared with those that were decided last. One of these runs per App.
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
      const { begunAt, gaps } = await beginRecovery({ githubAppId });
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
      setCurrentDetails('Waiting for what GitHub sends again');
    }
    // Here and not before the next one: whoever asks after the end of this workflow would have another begin at once.
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

/** Part by part, since a long downtime is a long log. Answers whether GitHub was asked to send anything again. */
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

/** A repository that cannot be read does not hold up the others. */
async function fill(gap: { repositoryId: string; ownerId: string }): Promise<void> {
  setCurrentDetails(`Comparing the branches of ${gap.repositoryId} with what was decided last`);
  try {
    await fillGap(gap);
  } catch (failure) {
    log.warn('The branches of a repository could not be compared', { repositoryId: gap.repositoryId });
    if (!(failure instanceof ActivityFailure)) throw failure;
  }
}
