import { withHeartbeats } from '../heartbeats.ts';
import { proveVersion } from './prove-version.ts';
import { type RotationDeps, type RotationInput, rotationSteps } from './rotation-steps.ts';

export type { RotationDeps };

/** The steps of a rotation. Each looks first whether the rotation still waits for it. */
export function rotationActivities(deps: RotationDeps) {
  const asked = proveVersion(deps);
  return {
    ...rotationSteps(deps),
    proveVersion: beating(asked.proveVersion),
    proveOldVersion: beating(asked.proveOldVersion),
    settleVersion: beating(asked.settleVersion),
    probeOldVersion: beating(asked.probeOldVersion),
  };
}

function beating<Result>(step: (input: RotationInput) => Promise<Result>): typeof step {
  return (input) => withHeartbeats(() => step(input));
}
