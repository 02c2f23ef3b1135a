import { log } from '@temporalio/workflow';
import { readInstallation } from './activities.ts';
import { codeOf } from './failure.ts';

export type RefreshInstallation = {
  githubAppId: string;
  /** GitHub's numbers. */
  installation: number;
  repositories: number[];
};

/** Runs after an event. Reads one installation and the repositories of the event from GitHub. */
export async function refreshInstallation(asked: RefreshInstallation): Promise<void> {
  await readInstallation(asked).catch((failure) => {
    // The sync that the same event requested reads everything.
    log.warn('An installation could not be read at once', { installation: asked.installation, code: codeOf(failure) });
  });
}
