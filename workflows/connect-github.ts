import {
  CancellationScope,
  condition,
  continueAsNew,
  defineSignal,
  log,
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
import { showEnd, showPhase } from './phase.ts';

export type ConnectGithub = {
  flowId: string;
  /** The state that an earlier run of this workflow passes on. */
  goOn?: InHand;
};

/** The state of a long wait. */
type InHand = {
  /** When the first check found no proof of ownership. */
  provingSince: number | null;
  pollMs: number;
  /** When the request for an owner's approval was first found to be gone. */
  goneSince: number | null;
  /** When Fairlead last checked for an owner's approval, for the person who signed in last. */
  lookedAt: number | null;
};

/** The flow's row has changed, or a person asks for a check. */
export const changed = defineSignal('changed');

/** A webhook has reported an installation that can be the right one, so the workflow checks at once. */
export const installed = defineSignal('installed');

const minute = 60_000;
const hour = 60 * minute;

/** How long to wait for the webhook that names the installer. */
const witnessMs = minute;
const witnessPollMs = 2_000;

const firstPollMs = 10 * minute;
const slowestPollMs = hour;
/** The shortest time between two checks. Pressing "Look now" repeatedly causes one check. */
const lookAgainMs = minute / 2;
/**
 * GitHub does not notify anyone when a request is denied. After this long without the request or an installation it
 * counts as denied.
 */
const deniedAfterMs = hour;

/**
 * Far below Temporal's limit. An approval can take thirty days of checks, with webhooks of other installations in
 * between.
 */
const longHistory = 1_000;

type Flow = InHand & { flowId: string; news: boolean; cancelWanted: boolean };

/**
 * Connects a GitHub account. Every action of the person is stored in the flow's row. The workflow reads the row, takes
 * the next step, or waits for the person.
 */
export async function connectGithub({ flowId, goOn }: ConnectGithub): Promise<void> {
  const flow = listen(flowId, goOn);

  // Canceling this workflow in Temporal has the same effect as canceling the flow in Fairlead. It does not interrupt a
  // step.
  await CancellationScope.nonCancellable(async () => {
    for (;;) {
      flow.news = false;
      const stand = await readFlow({ flowId });
      if (stand.step === 'over') return showEnd(stand);
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
  // A sent code cannot be taken back. Canceling now would leave an App without an owner.
  if (stand.step === 'convert') return convert(flow);
  if (flow.cancelWanted) return endFlow({ flowId, status: 'canceled', reason: 'canceled_by_request' });
  if (stand.step === 'identify') return identify(flow, stand);
  if (stand.step === 'prove') return prove(flow, stand);
  if (stand.expiresInMs <= 0) return endFlow({ flowId, status: 'expired', reason: expiryOf(stand.status) });
  if (stand.step === 'look_for_approval') return look(flow, stand);
  showPhase(stand.status, waitingFor(stand.status));
  await pause(flow, stand.expiresInMs);
}

async function pause(flow: Flow, ms: number): Promise<void> {
  await condition(() => flow.news || flow.cancelWanted, Math.max(1, ms));
}

async function convert({ flowId }: Flow): Promise<void> {
  showPhase('code_received', 'Exchanging the manifest code for the App');
  try {
    await convertManifest({ flowId });
  } catch (failure) {
    await giveUpConversion({ flowId, code: codeOf(failure) });
  }
}

async function identify({ flowId }: Flow, { status }: FlowStand): Promise<void> {
  showPhase(status, 'Asking GitHub who signed in');
  try {
    await identifyInstaller({ flowId });
  } catch (failure) {
    if (isFinal(failure)) await endFlow({ flowId, status: 'failed', reason: codeOf(failure) });
    else await forgetSignIn({ flowId });
  }
}

async function prove(flow: Flow, { status }: FlowStand): Promise<void> {
  const { flowId } = flow;
  showPhase(status, 'Checking whether the person who signed in administers the account');
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
  showPhase(status, 'Waiting for the webhook that names the installer of the App');
  // The webhook normally ends this pause. The timer covers a lost signal.
  await pause(flow, Math.min(Math.max(witnessPollMs, waited / 2), witnessMs - waited));
}

async function look(flow: Flow, { expiresInMs, status }: FlowStand): Promise<void> {
  const { flowId } = flow;
  const restMs = flow.lookedAt === null ? 0 : flow.lookedAt + lookAgainMs - Date.now();
  // It is too soon for the next check. The row has already been read, so other changes are not missed.
  if (restMs > 0) return pause(flow, Math.min(restMs, expiresInMs));
  flow.lookedAt = Date.now();
  showPhase(status, 'Checking whether an owner has approved the App');
  const outcome = await lookForApproval({ flowId }).then(
    (approval) => approval.outcome,
    (failure) => {
      log.warn('Could not check whether an owner has approved', { flowId, code: codeOf(failure) });
      return 'unknown';
    },
  );
  if (outcome === 'approved' || outcome === 'changed') return;
  // If GitHub does not respond, the request is not known to be gone.
  if (outcome === 'pending') flow.goneSince = null;
  if (outcome === 'gone') flow.goneSince ??= Date.now();
  if (flow.goneSince !== null && Date.now() - flow.goneSince >= deniedAfterMs) {
    return endFlow({ flowId, status: 'rejected', reason: 'request_denied_or_withdrawn' });
  }
  const wait = outcome === 'gone' ? firstPollMs : flow.pollMs;
  showPhase(status, `Waiting for an owner to approve the App; checking again in ${wait / minute} min`);
  await pause(flow, Math.min(wait, expiresInMs));
  if (!flow.news) flow.pollMs = Math.min(flow.pollMs * 1.5, slowestPollMs);
}

function waitingFor(status: FlowStatus): string {
  return sentences[status] ?? 'Waiting for the person';
}

const sentences: Partial<Record<FlowStatus, string>> = {
  created: 'Waiting for the person to open the link',
  page_served: 'Waiting for the person to create the App on GitHub',
  app_created: 'Waiting for the person to continue and install the App',
  install_pending: 'Waiting for the person to install the App and to sign in at GitHub',
  awaiting_approval: 'Waiting for the person to sign in at GitHub, or to confirm the owner’s approval',
};

function expiryOf(status: FlowStatus): string {
  if (status === 'awaiting_approval') return 'not_approved';
  return status === 'install_pending' || status === 'app_created' ? 'not_installed' : 'app_not_created';
}
