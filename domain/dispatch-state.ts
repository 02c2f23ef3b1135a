import type { Moves } from './moves.ts';

export const dispatchStates = ['intent', 'sending', 'sent', 'refused', 'unknown'] as const;

export type DispatchState = (typeof dispatchStates)[number];

/**
 * The one call that starts a run. `sending` is committed before the call, so `intent` proves that nothing was sent;
 * whatever is still `sending` when its attempt is over has an unknown outcome, and is looked for, never repeated.
 */
export const dispatchMoves: Moves<DispatchState> = {
  intent: ['sending', 'refused'],
  sending: ['sent', 'refused', 'unknown'],
  unknown: ['sent'],
  sent: [],
  refused: [],
};
