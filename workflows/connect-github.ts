import {
  CancellationScope,
  condition,
  continueAsNew,
  defineSignal,
  log,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { FlowStand } from '../activities/connect/flow-steps.ts';
import type { FlowStatus } from '../domain/connect/flow-status.ts';
import {
  bindInstallation,
  convertManifest,
  endFlow,
  forgetSignIn,
  giveUpConversion,
  identifyInstaller,
  lookForApproval,
  proveOwnership,
  readFlow,
} from './activities.ts';
import { codeOf, isFinal } from './failure.ts';
import { showPhase } from './phase.ts';

export type ConnectGithub = {
  flowId: string;
  /** What an earlier run had in hand. */
  goOn?: InHand;
};

/** How a long wait stands. */
type InHand = {
  /** When the proof was first asked for of whom nothing spoke yet. */
  provingSince: number | null;
  pollMs: number;
  /** When the request for an owner's approval was first found to be gone. */
  goneSince: number | null;
  /** When it was last looked whether an owner has approved, for the person who signed in last. */
  lookedAt: number | null;
};

/** The flow's row has changed, or a person asks. */
export const changed = defineSignal('changed');

/** A webhook has told of an installation that may be the one: worth a look at once. */
export const installed = defineSignal('installed');

const minute = 60_000;
const hour = 60 * minute;

/** How long the webhook that tells who made an installation may take. */
const witnessMs = minute;
const witnessPollMs = 2_000;

const firstPollMs = 10 * minute;
const slowestPollMs = hour;
/** Whoever presses "Look now" again and again is answered by one look. */
const lookAgainMs = minute / 2;
/** GitHub tells nobody that a request was denied: it is gone, and nothing is installed for so long. */
const deniedAfterMs = hour;

/** Far below Temporal's limit: an approval may take thirty days of looking, with others' webhooks in between. */
const longHistory = 1_000;

type Flow = InHand & { flowId: string; news: boolean; cancelWanted: boolean };

/**
 * One browser's way to a connected account. All that a person does lands in the flow's row; this does what is ours to
 * do next, whichever way the row came to be as it is, and waits for the person otherwise.
 */
export async function connectGithub({ flowId, goOn }: ConnectGithub): Promise<void> {
  const flow = listen(flowId, goOn);

  // An operator's cancellation in Temporal means what a person's in Fairlead does, and does not interrupt a step.
  await CancellationScope.nonCancellable(async () => {
    for (;;) {
      flow.news = false;
      const stand = await readFlow({ flowId });
      if (stand.step === 'over') return setCurrentDetails(`Ended: ${stand.status}`);
      await advance(flow, stand);
      if (workflowInfo().historyLength > longHistory && !flow.cancelWanted) {
        const { provingSince, pollMs, goneSince, lookedAt } = flow;
        await continueAsNew<typeof connectGithub>({ flowId, goOn: { provingSince, pollMs, goneSince, lookedAt } });
      }
    }
  });
}

function listen(flowId: string, goOn: InHand | undefined): Flow {
  const inHand = goOn ?? { provingSince: null, pollMs: firstPollMs, goneSince: null, lookedAt: null };
  const flow: Flow = { flowId, news: false, cancelWanted: false, ...inHand };
  setHandler(changed, () => {
    flow.news = true;
  });
  setHandler(installed, () => {
    flow.news = true;
    flow.lookedAt = null;
  });
  CancellationScope.current().cancelRequested.catch(() => {
    flow.cancelWanted = true;
  });
  return flow;
}

async function advance(flow: Flow, stand: FlowStand): Promise<void> {
  const { flowId } = flow;
  if (stand.step !== 'prove') flow.provingSince = null;
  if (stand.step !== 'look_for_approval') flow.lookedAt = null;
  // A code that was sent is not taken back: the App it makes would be nobody's.
  if (stand.step === 'convert') return convert(flow);
  if (flow.cancelWanted) return endFlow({ flowId, status: 'canceled', reason: 'canceled_by_request' });
  if (stand.step === 'identify') return identify(flow);
  if (stand.step === 'prove') return prove(flow);
  if (stand.expiresInMs <= 0) return endFlow({ flowId, status: 'expired', reason: expiryOf(stand.status) });
  if (stand.step === 'look_for_approval') return look(flow, stand);
  showPhase(stand.status, waitingFor(stand.status));
  await pause(flow, stand.expiresInMs);
}

async function pause(flow: Flow, ms: number): Promise<void> {
  await condition(() => flow.news || flow.cancelWanted, Math.max(1, ms));
}

async function convert({ flowId }: Flow): Promise<void> {
  showPhase('code_received', 'Changing the manifest’s code for the App');
  try {
    await convertManifest({ flowId });
  } catch (failure) {
    await giveUpConversion({ flowId, code: codeOf(failure) });
  }
}

async function identify({ flowId }: Flow): Promise<void> {
  showPhase('identifying', 'Asking GitHub who signed in');
  try {
    await identifyInstaller({ flowId });
  } catch (failure) {
    if (isFinal(failure)) await endFlow({ flowId, status: 'failed', reason: codeOf(failure) });
    else await forgetSignIn({ flowId });
  }
}

async function prove(flow: Flow): Promise<void> {
  const { flowId } = flow;
  showPhase('proving', 'Looking whether the person who signed in administers the account');
  try {
    const proof = await proveOwnership({ flowId, isFirst: flow.provingSince === null });
    if (proof.outcome === 'proven') await bindInstallation({ flowId });
    if (proof.outcome === 'refused') await endFlow({ flowId, status: 'rejected', reason: proof.reason });
    if (proof.outcome !== 'not_yet') return;
  } catch (failure) {
    return endFlow({ flowId, status: 'failed', reason: codeOf(failure) });
  }
  flow.provingSince ??= Date.now();
  const waited = Date.now() - flow.provingSince;
  if (waited >= witnessMs) return endFlow({ flowId, status: 'rejected', reason: 'ownership_not_proven' });
  showPhase('proving', 'Waiting for the webhook that tells who installed the App');
  // The webhook wakes us; this is for the one whose wake was lost.
  await pause(flow, Math.min(Math.max(witnessPollMs, waited / 2), witnessMs - waited));
}

async function look(flow: Flow, { expiresInMs }: FlowStand): Promise<void> {
  const { flowId } = flow;
  const restMs = flow.lookedAt === null ? 0 : flow.lookedAt + lookAgainMs - Date.now();
  // Woken too soon. Other news is in the row, which is read before this.
  if (restMs > 0) return pause(flow, Math.min(restMs, expiresInMs));
  flow.lookedAt = Date.now();
  const outcome = await lookForApproval({ flowId }).then(
    (approval) => approval.outcome,
    (failure) => {
      log.warn('It could not be seen whether an owner has approved', { flowId, code: codeOf(failure) });
      return 'unknown';
    },
  );
  if (outcome === 'approved' || outcome === 'changed') return;
  // Where GitHub does not answer, nothing is known to be gone.
  if (outcome === 'pending') flow.goneSince = null;
  if (outcome === 'gone') flow.goneSince ??= Date.now();
  if (flow.goneSince !== null && Date.now() - flow.goneSince >= deniedAfterMs) {
    return endFlow({ flowId, status: 'rejected', reason: 'request_denied_or_withdrawn' });
  }
  const wait = outcome === 'gone' ? firstPollMs : flow.pollMs;
  showPhase('awaiting_approval', `Waiting for an owner to approve the App; looking again in ${wait / minute} min`);
  await pause(flow, Math.min(wait, expiresInMs));
  if (!flow.news) flow.pollMs = Math.min(flow.pollMs * 1.5, slowestPollMs);
}

function waitingFor(status: FlowStatus): string {
  return sentences[status] ?? 'Waiting for the person';
}

const sentences: Partial<Record<FlowStatus, string>> = {
  created: 'Waiting for the person to open the link',
  page_served: 'Waiting for the person to create the App on GitHub',
  app_created: 'Waiting for the person to go on and install the App',
  install_pending: 'Waiting for the person to install the App and to sign in at GitHub',
  awaiting_approval: 'Waiting for the person to sign in at GitHub, or to confirm what an owner has approved',
};

function expiryOf(status: FlowStatus): string {
  if (status === 'awaiting_approval') return 'not_approved';
  return status === 'install_pending' || status === 'app_created' ? 'not_installed' : 'app_not_created';
}
