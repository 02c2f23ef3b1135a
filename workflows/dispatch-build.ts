import {
  CancellationScope,
  condition,
  defineSignal,
  log,
  patched,
  setCurrentDetails,
  setHandler,
} from '@temporalio/workflow';
import type { Sent } from '../activities/builds/builds.ts';
import type { Look } from '../activities/builds/runs.ts';
import { lostAccess } from '../domain/builds/lost-access.ts';
import type { BuildEnd } from '../domain/builds/run-conclusions.ts';
import {
  cancelInTemporal,
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
import { type Ended, phaseIsStatus, showEnd, showPhase } from './phase.ts';

export type DispatchBuild = { buildId: string; timeoutMinutes: number };

/** A webhook about the build's run. */
export const reported = defineSignal<[{ runId: number; ended?: BuildEnd }]>('reported');
export const canceled = defineSignal<[unknown?]>('canceled');

/** The pauses between searches for a run whose response was lost. The searches are 5, 15, 30, 60 and 120 s after it. */
const searchPausesMs = [5_000, 10_000, 15_000, 30_000, 60_000];

/** Webhooks normally come first. These polls cover a webhook that never arrived. */
const firstPollMs = 60_000;
const slowestPollMs = 5 * 60_000;

/** The pause before the next attempt, if the database has not confirmed a timeout. */
const undecidedPauseMs = 60_000;

/** What is known about the build so far, from any source. */
type Known = {
  run: boolean;
  ended?: BuildEnd;
  /** The build ended in the database, without this workflow. */
  over: boolean;
  /** How the build ended in the database. Only a step of an earlier version does not return it. */
  stored?: Ended | undefined;
  cancelWanted: boolean;
  /** An operator canceled this workflow in Temporal, and the database does not know of it yet. */
  canceledHere: boolean;
  /** A webhook reported the run, and GitHub does not show it yet. */
  news: boolean;
};

type Build = { buildId: string; deadline: number; known: Known };

/**
 * Runs one build. It asks GitHub for a run exactly once, finds the run if the response was lost, and follows it to its
 * end. If the outcome stays unknown, a person decides and nothing is sent again.
 */
export async function dispatchBuild({ buildId, timeoutMinutes }: DispatchBuild): Promise<void> {
  const build = { buildId, deadline: Date.now() + timeoutMinutes * 60_000, known: listen() };

  // Canceling this workflow in Temporal has the same effect as canceling the build in Fairlead. It does not interrupt a
  // step.
  await CancellationScope.nonCancellable(async () => {
    do {
      const outcome = await send(build);
      if (outcome !== 'certain') await search(build);
      if (outcome === 'unknown' && !build.known.run && !isDecided(build.known)) await hold(build);
      await follow(build);
    } while (!(await isEnded(build)));
    await reportResult(build);
  });
}

function listen(): Known {
  const known: Known = { run: false, over: false, cancelWanted: false, canceledHere: false, news: false };
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
    known.canceledHere = true;
  });
  return known;
}

/** Waits until the deadline, a signal, or the given time, whichever comes first. */
async function pause({ known, deadline }: Build, ms: number): Promise<void> {
  const left = Math.max(0, deadline - Date.now());
  if (left > 0) await condition(() => isDecided(known) || known.cancelWanted || known.news, Math.min(ms, left));
}

function isDecided(known: Known): boolean {
  return known.over || known.ended !== undefined;
}

/** `accepted`: GitHub started a run and did not name it. `unknown`: it is not known whether GitHub started a run. */
async function send(build: Build): Promise<'certain' | 'accepted' | 'unknown'> {
  const { buildId, known, deadline } = build;
  for (let tries = 0; ; tries += 1) {
    if (known.cancelWanted) {
      const left = await leftBehind(build);
      if (left !== undefined) return left;
      known.ended = { status: 'canceled', reason: 'canceled_by_request' };
    } else if (Date.now() >= deadline) known.ended = { status: 'timed_out', reason: 'not_accepted_in_time' };
    if (known.ended) return 'certain';

    setCurrentDetails('Asking GitHub to start the run');
    // A failed attempt is never repeated blindly. Its stored steps say whether anything can have been sent.
    const sent = await sendDispatch({ buildId, tries }).catch(() => settleDispatch({ buildId }));
    if (sent.outcome !== 'later') return take(known, sent);
    showPhase(
      patched(phaseIsStatus) ? 'dispatching' : 'waiting',
      `Nothing was sent (${sent.code}); trying again in ${Math.ceil(sent.retryAfterMs / 1000)} s`,
    );
    await pause(build, Math.max(sent.retryAfterMs, 1));
  }
}

function take(known: Known, sent: Exclude<Sent, { outcome: 'later' }>): 'certain' | 'accepted' | 'unknown' {
  const { outcome } = sent;
  known.run ||= outcome === 'running';
  known.over = outcome === 'over';
  if (sent.outcome === 'over') known.stored = sent.build;
  return outcome === 'accepted' || outcome === 'unknown' ? outcome : 'certain';
}

/** Returns what an earlier run of this workflow sent to GitHub, if it sent anything. This run must cancel it there. */
async function leftBehind({ buildId, known }: Build): Promise<'certain' | 'accepted' | 'unknown' | undefined> {
  await noteCancel({ buildId, known });
  if (!patched('look-before-canceling')) return undefined;
  const left = await settleDispatch({ buildId });
  return left.outcome === 'later' ? undefined : take(known, left);
}

/** Stores the operator's decision, because a build is canceled only if the database says so. */
async function noteCancel({ buildId, known }: Pick<Build, 'buildId' | 'known'>): Promise<void> {
  if (!known.canceledHere || !patched('note-cancellation')) return;
  known.canceledHere = false;
  await cancelInTemporal({ buildId });
}

/** Looks for the run by the build's ID in its name. */
async function search(build: Build): Promise<void> {
  const details = 'GitHub has not named the run: looking for the build’s ID in the names of the runs';
  if (patched(phaseIsStatus)) showPhase('dispatching', details);
  else setCurrentDetails(details);
  // This report shows people that there is a build. The search does not wait for it, because GitHub has just failed.
  const told = patched('tell-while-searching') ? tellProgress(build) : undefined;
  const found = await lookAgainAndAgain(build);
  await told;
  if (found) await tellProgress(build);
}

/** Returns whether a search has found something new. */
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

/** Asks a person to decide if the run was not found. Nothing is sent again. */
async function hold(build: Build): Promise<void> {
  if (build.known.cancelWanted || !(await markUncertain({ buildId: build.buildId }))) return;
  showPhase('uncertain', 'No run was found: waiting for its webhook, a person, or the time limit');
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

/**
 * Ends the build in the database. Returns false if the database has not decided an end, for example after a signal that
 * an operator sent by hand. The build then continues.
 */
async function isEnded(build: Build): Promise<boolean> {
  const { buildId, known } = build;
  if (!known.ended) return true;
  const settled = await endBuild({ buildId, end: known.ended });
  // Another end can have come first.
  if (typeof settled === 'object') known.stored = settled;
  if (settled !== 'undecided') return true;
  Object.assign(known, { ended: undefined, over: false, cancelWanted: known.canceledHere });
  build.deadline = Math.max(build.deadline, Date.now() + undecidedPauseMs);
  return false;
}

async function reportResult({ buildId, known }: Build): Promise<void> {
  const end = known.stored ?? known.ended ?? { status: 'over' };
  showPhase(end.status, 'Reporting the result of the build to GitHub');
  await reportEnd({ buildId }).catch((failure) => {
    log.warn('The end of a build could not be reported', { buildId, code: codeOf(failure) });
  });
  showEnd(end);
}

/** Cancels the run. If the run has already ended, its own result counts. */
async function stopRun({ buildId, known }: Build, end: BuildEnd): Promise<void> {
  await noteCancel({ buildId, known });
  setCurrentDetails('Asking GitHub to cancel the run');
  try {
    const found = await cancelRun({ buildId });
    noteOver(known, found);
    known.ended ??= found.state === 'ended' ? found.end : end;
  } catch {
    known.ended ??= { ...end, reason: 'run_cancel_failed' };
  }
}

function noteOver(known: Known, found: Look): void {
  known.over = found.state === 'over';
  if (found.state === 'over') known.stored = found.build;
}

async function look({ buildId, known }: Build): Promise<void> {
  try {
    const found = await lookForRun({ buildId });
    noteOver(known, found);
    known.run ||= found.state === 'running' || found.state === 'ended';
    if (found.state === 'ended') known.ended ??= found.end;
    if (found.state === 'missing') known.ended ??= { status: 'failed', reason: 'run_missing' };
  } catch (failure) {
    // Only lost access ends the build here. Other failures are retried by the next poll.
    const code = codeOf(failure);
    const reason = lostAccess[code];
    if (reason !== undefined) known.ended ??= { status: 'failed', reason };
  }
}

async function tellProgress({ buildId }: Build): Promise<void> {
  await reportProgress({ buildId }).catch((failure) => {
    log.info('The progress of a build was not reported', { buildId, code: codeOf(failure) });
  });
}
