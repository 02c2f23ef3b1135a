import { proveVersion } from './prove-version.ts';
import { type RotationDeps, rotationSteps } from './rotation-steps.ts';

export type { RotationDeps };

/** The steps of a rotation. Each one first checks that the rotation still waits for it. */
export function rotationActivities(deps: RotationDeps) {
  return { ...rotationSteps(deps), ...proveVersion(deps) };
}
