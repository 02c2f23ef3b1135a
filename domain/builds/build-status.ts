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
 * How a build may move. `uncertain` is a dispatch whose answer was lost and whose run was not found: it is never
 * sent again by itself; a run found later makes it `running` (or at once what that run ended as).
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
 * The one call that starts a run. `sending` is committed before the call, so `intent` proves that nothing was sent;
 * whatever is still `sending` when its attempt is over has an unknown outcome, and is looked for, never repeated.
 */
export const dispatchMoves: Moves<DispatchState> = {
  intent: ['sending', 'refused'],
  // Back to `intent` only on a definite answer that nothing was started, such as a rate limit: never on silence.
  sending: ['sent', 'refused', 'unknown', 'intent'],
  unknown: ['sent'],
  sent: [],
  refused: [],
};
