import type { Moves } from '../moves.ts';

export const dispatchStates = ['intent', 'sending', 'sent', 'refused', 'unknown'] as const;

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
