import { isFinal, type Moves } from '../moves.ts';

/**
 * How the replacement of a credential may move. `proving`: the new version is shown, or made known, to the provider.
 * `overlapping`: the new one is in use, the old one still good. `rolling_back`: the old one is being put back.
 * `returning`: it is in use again, the new one still good. `uncertain` ended without an answer that says whether the
 * provider took the new one.
 */
export const rotationPhases = [
  'proving',
  'overlapping',
  'rolling_back',
  'returning',
  'done',
  'rolled_back',
  'rejected',
  'uncertain',
  'abandoned',
] as const;

export type RotationPhase = (typeof rotationPhases)[number];

export const rotationMoves: Moves<RotationPhase> = {
  proving: ['overlapping', 'rejected', 'uncertain', 'abandoned'],
  overlapping: ['rolling_back', 'done', 'abandoned'],
  // Where the provider does not take the old one back, the new one stays.
  rolling_back: ['returning', 'overlapping', 'abandoned'],
  returning: ['rolled_back', 'abandoned'],
  done: [],
  rolled_back: [],
  rejected: [],
  uncertain: [],
  abandoned: [],
};

export function isFinalRotationPhase(phase: RotationPhase): boolean {
  return isFinal(rotationMoves, phase);
}

const second = 1_000;
const hour = 3_600 * second;
const day = 24 * hour;

/** How long a process may go on with the webhook secrets that it has read. */
export const webhookKeysKeptMs = 5 * second;

/** Before the provider is told of a new webhook secret every process knows it. */
export const knownEverywhereMs = webhookKeysKeptMs + 2 * second;

/**
 * How long a webhook that was signed with the secret before still verifies: longer than anything is redelivered, which
 * github.com does for three days and an Enterprise Server for seven.
 */
export const webhookOverlapMs = 8 * day;

/** For how long a person is waited for to delete the old key or secret at the provider. */
export const oldAliveMs = 30 * day;

/** After that, it becomes an incident that it is still there. */
export const oldAliveIncidentMs = day;
