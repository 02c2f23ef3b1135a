import { ActivityFailure, CancellationScope, sleep } from '@temporalio/workflow';
import type { RevocationOutcome } from '../domain/deletion/revocation.ts';
import { finishDeletion, giveUpUninstall, readDeletion, uninstallInstallation } from './activities.ts';
import { codeOf } from './failure.ts';
import { showPhase } from './phase.ts';

export type DeleteIntegration = { integrationId: string };

/** Builds are ended by workflows of their own, which need the App for that; so long they are waited for, in all a minute. */
const pausesMs = [1_000, 2_000, 4_000, 8_000, 15_000, 30_000];

/**
 * What follows once an integration is cut off: its builds end, the App is uninstalled wherever nobody else uses it,
 * and what is secret is destroyed last. It only goes forward, and always comes to an end: what the provider does not
 * confirm in time is left to a person.
 */
export async function deleteIntegration({ integrationId }: DeleteIntegration): Promise<void> {
  // Nobody takes a deletion back, not even in Temporal.
  await CancellationScope.nonCancellable(async () => {
    const installations = await waitForBuilds(integrationId);
    showPhase('revoking', `Letting go of ${installations.length} installations`);
    const outcomes = await Promise.all(installations.map((installationId) => letGo({ integrationId, installationId })));
    await finishDeletion({ integrationId, outcomes });
    showPhase('deleted', `Deleted: ${outcomes.join(', ') || 'nothing at the provider'}`);
  });
}

async function waitForBuilds(integrationId: string): Promise<string[]> {
  for (const pause of pausesMs) {
    const { builds, installations } = await readDeletion({ integrationId });
    if (builds === 0) return installations;
    showPhase('ending_builds', `Waiting a moment for the end of ${builds} builds`);
    await sleep(pause);
  }
  return (await readDeletion({ integrationId })).installations;
}

async function letGo(of: { integrationId: string; installationId: string }): Promise<RevocationOutcome> {
  try {
    return await uninstallInstallation(of);
  } catch (failure) {
    if (!(failure instanceof ActivityFailure)) throw failure;
    return giveUpUninstall({ ...of, code: codeOf(failure) });
  }
}
