import { ActivityFailure, defineSignal, log, setCurrentDetails, setHandler } from '@temporalio/workflow';
import { checkApp, requestReconciliations, sweepStuck } from './activities.ts';
import { codeOf } from './failure.ts';

export type ReconcileApp = { githubAppId: string };

export const reconciliationRequested = defineSignal('requested');

/** Runs each night. Asks for a comparison of every App with GitHub, and looks for stuck builds and deletions. */
export async function reconcile(): Promise<void> {
  await requestReconciliations();
  await sweepStuck();
}

/**
 * Compares one App in a workflow of its own, so a host that is down delays no other App. Differences become incidents.
 */
export async function reconcileApp({ githubAppId }: ReconcileApp): Promise<void> {
  // A request during the run needs no second run.
  setHandler(reconciliationRequested, () => {});
  try {
    await checkApp({ githubAppId });
    setCurrentDetails('Compared; a sync reads its installations and repositories');
  } catch (failure) {
    if (!(failure instanceof ActivityFailure)) throw failure;
    setCurrentDetails(`Not compared: ${codeOf(failure)}`);
    log.warn('An App could not be compared with what GitHub says', { githubAppId, code: codeOf(failure) });
  }
}
