import type { DeletionDeps, OfInstallation } from './deletion/deps.ts';
import { finishDeletion } from './deletion/finish.ts';
import { giveUpUninstall } from './deletion/give-up.ts';
import { readDeletion } from './deletion/read.ts';
import { uninstall } from './deletion/uninstall.ts';
import { withHeartbeats } from './heartbeats.ts';

export type { DeletionDeps };

/** The steps after an integration was cut off. Each may run twice, and finds what the first time has left. */
export function deletionActivities(deps: DeletionDeps) {
  return {
    readDeletion: readDeletion(deps),
    uninstallInstallation: (input: OfInstallation) => withHeartbeats(() => uninstall(deps, input)),
    giveUpUninstall: giveUpUninstall(deps),
    finishDeletion: finishDeletion(deps),
  };
}
