import {
  CancellationScope,
  condition,
  defineSignal,
  log,
  patched,
  setCurrentDetails,
  setHandler,
} from '@temporalio/workflow';
import type { BuildReason } from '../domain/builds/build-reasons.ts';
import type { BuildEnd } from '../domain/builds/run-conclusions.ts';
import {
  cancelRun,
  endBuild,
  lookForRun,
  markUncertain,
  reportEnd,
  reportProgress,
  sendDispatch,
  settleDispatch,
} from './activities.ts';
import { codeOf } from './failure.ts';
import { showPhase } from './phase.ts';

export type DispatchBuild = { buildId: string; timeoutMinutes: number };

/** What a webhook said of the build's run. */
export const reported = defineSignal<[{ runId: number; ended?: BuildEnd }]>('reported');
export const canceled = defineSignal<[unknown?]>('canceled');

/** When a run whose dispatch got no answer is looked for: 5, 15, 30, 60 and 120 s after. */
const searchPausesMs = [5_000, 10_000, 15_000, 30_000, 60_000];

/** Webhooks tell first; these polls are for the one that never came. */
const firstPollMs = 60_000;
const slowestPollMs = 5 * 60_000;

/** What is known of the build so far, from whichever side it came. */
type Known = {
  run: boolean;
  ended?: BuildEnd;
  /** It ended without us, in the database. */
  over: boolean;
  cancelWanted: boolean;
  /** A webhook brought the run, and nobody has been told yet. */
  news: boolean;
};

type Build = { buildId: string; deadline: number; known: Known };

/**
 * One build: asks GitHub for its run exactly once, finds the run again where the answer was lost, and follows it to
 * its end. What cannot be known is held for a person, never sent again.
 */
export async function dispatchBuild({ buildId, timeoutMinutes }: DispatchBuild): Promise<void> {
  const build = { buildId, deadline: Date.now() + timeoutMinutes * 60_000, known: listen() };

  // An operator's cancellation in Temporal means what a person's in Fairlead does, and does not interrupt a step.
  await CancellationScope.nonCancellable(async () => {
    const outcome = await send(build);
    if (outcome !== 'certain') await search(build);
    if (outcome === 'unknown' && !build.known.run && !isDecided(build.known)) await hold(build);
    await follow(build);
    await finish(build);
  });
}

function listen(): Known {
  const known: Known = { run: false, over: false, cancelWanted: false, news: false };
  setHandler(reported, ({ ended }) => {
    known.news ||= !known.run;
    known.run = true;
    if (ended) known.ended ??= ended;
  });
  setHandler(canceled, () => {
    known.cancelWanted = true;
  });
  CancellationScope.current().cancelRequested.catch(() => {
    known.cancelWanted = true;
  });
  return known;
}

/** Waits until something is to be done: the time is up, a person or a webhook spoke, or so long. */
async function pause({ known, deadline }: Build, ms: number): Promise<void> {
  const left = Math.max(0, deadline - Date.now());
  if (left > 0) await condition(() => isDecided(known) || known.cancelWanted || known.news, Math.min(ms, left));
}

function isDecided(known: Known): boolean {
  return known.over || known.ended !== undefined;
}

/** `accepted`: GitHub started a run and did not say which. `unknown`: nobody knows whether it did. */
async function send(build: Build): Promise<'certain' | 'accepted' | 'unknown'> {
  const { buildId, known, deadline } = build;
  for (let tries = 0; ; tries += 1) {
    if (known.cancelWanted) known.ended = { status: 'canceled', reason: 'canceled_by_request' };
    else if (Date.now() >= deadline) known.ended = { status: 'timed_out', reason: 'not_accepted_in_time' };
    if (known.ended) return 'certain';

    setCurrentDetails('Asking GitHub to start the run');
    // An attempt that died is never simply repeated: what it wrote down tells whether anything can have been sent.
    const sent = await sendDispatch({ buildId, tries }).catch(() => settleDispatch({ buildId }));
    if (sent.outcome !== 'later') {
      known.run ||= sent.outcome === 'running';
      known.over = sent.outcome === 'over';
      return sent.outcome === 'accepted' || sent.outcome === 'unknown' ? sent.outcome : 'certain';
    }
    showPhase('waiting', `Nothing was sent (${sent.code}); asking again in ${Math.ceil(sent.retryAfterMs / 1000)} s`);
    await pause(build, Math.max(sent.retryAfterMs, 1));
  }
}

/** Looks for the run by the mark in its name. */
async function search(build: Build): Promise<void> {
  setCurrentDetails('GitHub has not said which run it started: looking for the build’s id in the names of the runs');
  // People see meanwhile that there is a build. Nobody waits for this: it is GitHub that was not well just now.
  const told = patched('tell-while-searching') ? tellProgress(build) : undefined;
  const found = await lookAgainAndAgain(build);
  await told;
  if (found) await tellProgress(build);
}

/** Whether a look has brought news. */
async function lookAgainAndAgain(build: Build): Promise<boolean> {
  const { known, deadline } = build;
  for (const ms of searchPausesMs) {
    await pause(build, ms);
    if (known.run || known.cancelWanted || isDecided(known) || Date.now() >= deadline) return false;
    await look(build);
    if (known.run || isDecided(known)) return true;
  }
  return false;
}

/** The run did not turn up: a person is asked, and nothing is sent again. */
async function hold(build: Build): Promise<void> {
  if (build.known.cancelWanted || !(await markUncertain({ buildId: build.buildId }))) return;
  showPhase('uncertain', 'No run of this build was found: waiting for its webhook, a person, or the time limit');
  await tellProgress(build);
}

async function follow(build: Build): Promise<void> {
  const { known, deadline } = build;
  for (let wait = firstPollMs; !isDecided(known); ) {
    if (known.run) showPhase('running', 'Waiting for the end of the run');
    await pause(build, wait);
    if (isDecided(known)) return;

    if (known.news) {
      known.news = false;
      await tellProgress(build);
    } else if (known.cancelWanted) {
      await stopRun(build, { status: 'canceled', reason: 'canceled_by_request' });
    } else if (Date.now() >= deadline) {
      await stopRun(build, { status: 'timed_out', reason: known.run ? 'pipeline_timeout' : 'run_not_found' });
    } else {
      const hadRun = known.run;
      await look(build);
      if (known.run && !hadRun) await tellProgress(build);
      wait = Math.min(wait * 1.5, slowestPollMs);
    }
  }
}

async function finish({ buildId, known }: Build): Promise<void> {
  if (known.ended) await endBuild({ buildId, end: known.ended });
  const phase = known.ended?.status ?? 'over';
  showPhase(phase, 'Telling GitHub how the build ended');
  await reportEnd({ buildId }).catch((failure) => {
    log.warn('The end of a build could not be reported', { buildId, code: codeOf(failure) });
  });
  setCurrentDetails(`Ended: ${phase}`);
}

/** The run's own end counts where it came first. */
async function stopRun({ buildId, known }: Build, end: BuildEnd): Promise<void> {
  setCurrentDetails('Asking GitHub to end the run');
  try {
    const found = await cancelRun({ buildId });
    known.over = found.state === 'over';
    known.ended ??= found.state === 'ended' ? found.end : end;
  } catch {
    known.ended ??= { ...end, reason: 'run_cancel_failed' };
  }
}

async function look({ buildId, known }: Build): Promise<void> {
  try {
    const found = await lookForRun({ buildId });
    known.over = found.state === 'over';
    known.run ||= found.state === 'running' || found.state === 'ended';
    if (found.state === 'ended') known.ended ??= found.end;
    if (found.state === 'missing') known.ended ??= { status: 'failed', reason: 'run_missing' };
  } catch (failure) {
    // GitHub will not tell us any more; anything that may pass is asked again later.
    const code = codeOf(failure);
    const reason = lostAccess[code];
    if (reason !== undefined) known.ended ??= { status: 'failed', reason };
  }
}

/** Maps each failure that ends access to a run to the reason of its build. */
const lostAccess: Record<string, BuildReason | undefined> = {
  app_credentials_rejected: 'app_credentials_rejected',
  installation_suspended: 'installation_suspended',
  installation_gone: 'installation_gone',
  permission_missing: 'permission_missing',
  policy: 'policy',
  repository_gone: 'repository_gone',
  not_found: 'repository_gone',
  gone: 'repository_gone',
};

async function tellProgress({ buildId }: Build): Promise<void> {
  await reportProgress({ buildId }).catch((failure) => {
    log.info('The progress of a build was not reported', { buildId, code: codeOf(failure) });
  });
}
