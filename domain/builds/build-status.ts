import { isFinal, type Moves } from '../moves.ts';

export const buildStatuses = [
  'blocked',
  'queued',
  'dispatching',
  'uncertain',
  'running',
  'succeeded',
  'failed',
  'timed_out',
  'canceled',
  'superseded',
  'declined',
  'skipped',
] as const;

export type BuildStatus = (typeof buildStatuses)[number];

/**
 * The moves of a build. `uncertain` is a dispatch without an answer whose run was not found. Fairlead never dispatches
 * it again automatically. A run that is found later moves it to `running`, or to the run's result.
 */
export const buildMoves: Moves<BuildStatus> = {
  blocked: ['queued', 'declined', 'canceled', 'superseded', 'failed'],
  queued: ['dispatching', 'canceled', 'superseded', 'skipped', 'failed', 'timed_out'],
  dispatching: ['uncertain', 'running', 'succeeded', 'failed', 'timed_out', 'canceled'],
  uncertain: ['running', 'succeeded', 'failed', 'timed_out', 'canceled', 'superseded'],
  running: ['succeeded', 'failed', 'timed_out', 'canceled', 'superseded'],
  succeeded: [],
  failed: [],
  timed_out: [],
  canceled: [],
  superseded: [],
  declined: [],
  skipped: [],
};

export function isFinalBuildStatus(status: BuildStatus): boolean {
  return isFinal(buildMoves, status);
}

const dispatchStates = ['intent', 'sending', 'sent', 'refused', 'unknown'] as const;

export type DispatchState = (typeof dispatchStates)[number];

/**
 * The one call that starts a run. `sending` is committed before the call, so `intent` proves that nothing was sent. If
 * an attempt ends in `sending`, its result is unknown: Fairlead looks for the run and never repeats the call.
 */
export const dispatchMoves: Moves<DispatchState> = {
  intent: ['sending', 'refused'],
  // Back to `intent` only on a definite answer that nothing was started, such as a rate limit. Never without an answer.
  sending: ['sent', 'refused', 'unknown', 'intent'],
  unknown: ['sent'],
  sent: [],
  refused: [],
};
