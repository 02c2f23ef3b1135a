import { defineSignal, log, setHandler } from '@temporalio/workflow';
import { reportEnd } from './activities.ts';
import { codeOf } from './failure.ts';
import { showPhase } from './phase.ts';

export type ReportBuild = { buildId: string };

/** The build has moved (again), and GitHub is to be told. */
export const moved = defineSignal('moved');

/** Tells GitHub of a build that was not started: it has no workflow of its own which would. */
export async function reportBuild({ buildId }: ReportBuild): Promise<void> {
  let wanted = true;
  setHandler(moved, () => {
    wanted = true;
  });
  while (wanted) {
    wanted = false;
    showPhase('reporting', 'Telling GitHub how the build is');
    await reportEnd({ buildId }).catch((failure) => {
      log.warn('A build that was not started could not be reported', { buildId, code: codeOf(failure) });
    });
  }
  showPhase('over', 'GitHub has been told');
}
