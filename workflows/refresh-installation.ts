import { log } from '@temporalio/workflow';
import { readInstallation } from './activities.ts';
import { codeOf } from './failure.ts';

export type RefreshInstallation = {
  githubAppId: string;
  /** GitHub's numbers. */
  installation: number;
  repositories: number[];
};

/** After an event: reads one installation, and the repositories that the event was about, as GitHub has them now. */
export async function refreshInstallation(asked: RefreshInstallation): Promise<void> {
  await readInstallation(asked).catch((failure) => {
    // The sync that was asked for by the same event reads all of it.
    log.warn('An installation could not be read at once', { installation: asked.installation, code: codeOf(failure) });
  });
}
