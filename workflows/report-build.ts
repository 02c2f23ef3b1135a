import { defineSignal, log, patched, setCurrentDetails, setHandler } from '@temporalio/workflow';
import { reportEnd } from './activities.ts';
import { codeOf } from './failure.ts';
import { type Ended, ended, phaseIsStatus, showPhase } from './phase.ts';

export type ReportBuild = { buildId: string };

/** The build's status has changed, and GitHub must show it. */
export const moved = defineSignal('moved');

/** Reports a build that was not started. Such a build has no workflow of its own that would report it. */
export async function reportBuild({ buildId }: ReportBuild): Promise<void> {
  let wanted = true;
  setHandler(moved, () => {
    wanted = true;
  });
  const hasOwnPhases = !patched(phaseIsStatus);
  while (wanted) {
    wanted = false;
    if (hasOwnPhases) showPhase('reporting', 'Reporting the build to GitHub');
    else setCurrentDetails('Reporting the build to GitHub');
    const { told, code } = await tryToReport(buildId);
    if (code !== undefined) setCurrentDetails(`GitHub has not accepted the report (${code})`);
    else if (told) showPhase(told.status, `Reported to GitHub: ${ended(told)}`);
  }
  if (hasOwnPhases) showPhase('over', 'Reported to GitHub');
}

/** Returns what the build was when it was reported, or the code of the failure. */
async function tryToReport(buildId: string): Promise<{ told?: Ended | undefined; code?: string }> {
  try {
    return { told: await reportEnd({ buildId }) };
  } catch (failure) {
    const code = codeOf(failure);
    log.warn('A build that was not started could not be reported', { buildId, code });
    return { code };
  }
}
