import { isFinal, type Moves } from '../moves.ts';

/**
 * The moves of a credential's rotation. `proving`: the provider checks or stores the new version. `overlapping`: the
 * new version is in use, and the old one still works. `rolling_back`: the old version is being restored. `returning`:
 * the old version is in use again, and the new one still works. `uncertain`: the rotation ended without knowing whether
 * the provider stored the new version.
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
  // If the provider does not accept the old version, the new one stays.
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

/** How long a process may use the webhook secrets that it has read. */
export const webhookKeysKeptMs = 5 * second;

/** Every process knows a new webhook secret before the provider gets it. */
export const knownEverywhereMs = webhookKeysKeptMs + 2 * second;

/**
 * How long a webhook with the previous secret is still valid. It is longer than any redelivery: three days on
 * github.com, seven on an Enterprise Server.
 */
export const webhookOverlapMs = 8 * day;

/** The overlap of rotations that began before Fairlead supported Enterprise Server. No overlap is shorter. */
export const shortestOverlapMs = 4 * day;

/** How long Fairlead waits for a person to delete the old key or secret at the provider. */
export const oldAliveMs = 30 * day;

/** After this time, its existence becomes an incident. */
export const oldAliveIncidentMs = day;
