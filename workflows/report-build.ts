import { defineSignal, log, setHandler } from '@temporalio/workflow';
import { reportEnd } from './activities.ts';
import { codeOf } from './failure.ts';
import { showPhase } from './phase.ts';

export type ReportBuild = { buildId: string };

/** The build's status has changed, and GitHub must show it. */
export const moved = defineSignal('moved');

/** Reports a build that was not started. Such a build has no workflow of its own that would report it. */
export async function reportBuild({ buildId }: ReportBuild): Promise<void> {
  let wanted = true;
  setHandler(moved, () => {
    wanted = true;
  });
  while (wanted) {
    wanted = false;
    showPhase('reporting', 'Reporting the build to GitHub');
    await reportEnd({ buildId }).catch((failure) => {
      log.warn('A build that was not started could not be reported', { buildId, code: codeOf(failure) });
    });
  }
  showPhase('over', 'Reported to GitHub');
}
