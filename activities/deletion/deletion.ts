import { withHeartbeats } from '../heartbeats.ts';
import type { DeletionDeps, OfInstallation } from './deps.ts';
import { finishDeletion } from './finish.ts';
import { giveUpUninstall } from './give-up.ts';
import { readDeletion } from './read.ts';
import { uninstall } from './uninstall.ts';

/** The steps after an integration was cut off. Each may run twice, and finds what the first time has left. */
export function deletionActivities(deps: DeletionDeps) {
  return {
    readDeletion: readDeletion(deps),
    uninstallInstallation: (input: OfInstallation) => withHeartbeats(() => uninstall(deps, input)),
    giveUpUninstall: giveUpUninstall(deps),
    finishDeletion: finishDeletion(deps),
  };
}
