import { ActivityFailure, defineSignal, log, setCurrentDetails, setHandler } from '@temporalio/workflow';
import { checkApp, requestReconciliations, sweepStuck } from './activities.ts';
import { codeOf } from './failure.ts';

export type ReconcileApp = { githubAppId: string };

export const reconciliationRequested = defineSignal('requested');

/** Started each night: has every App compared with what GitHub says, and looks for what stands still. */
export async function reconcile(): Promise<void> {
  await requestReconciliations();
  await sweepStuck();
}

/** One App, by itself: a host that is away holds up nobody else. What is wrong is an incident by then. */
export async function reconcileApp({ githubAppId }: ReconcileApp): Promise<void> {
  // Whoever asks while it runs is answered by it.
  setHandler(reconciliationRequested, () => {});
  try {
    await checkApp({ githubAppId });
    setCurrentDetails('Compared; its installations and repositories are read by a sync');
  } catch (failure) {
    if (!(failure instanceof ActivityFailure)) throw failure;
    setCurrentDetails(`Not compared: ${codeOf(failure)}`);
    log.warn('An App could not be compared with what GitHub says', { githubAppId, code: codeOf(failure) });
  }
}
