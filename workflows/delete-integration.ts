import { ActivityFailure, CancellationScope, sleep } from '@temporalio/workflow';
import type { RevocationOutcome } from '../domain/deletion/revocation.ts';
import { finishDeletion, giveUpUninstall, readDeletion, uninstallInstallation } from './activities.ts';
import { codeOf } from './failure.ts';
import { showPhase } from './phase.ts';

export type DeleteIntegration = { integrationId: string };

/** Pauses that add up to a minute. Builds end in their own workflows and still need the App for that. */
const pausesMs = [1_000, 2_000, 4_000, 8_000, 15_000, 30_000];

/**
 * Deletes an integration: its builds end, the App is uninstalled if no other integration uses it, and secrets are
 * destroyed last. The workflow always ends. What the provider does not confirm in time becomes a task for a person.
 */
export async function deleteIntegration({ integrationId }: DeleteIntegration): Promise<void> {
  // A deletion cannot be canceled, not even in Temporal.
  await CancellationScope.nonCancellable(async () => {
    const installations = await waitForBuilds(integrationId);
    showPhase('revoking', `Releasing ${installations.length} installations`);
    const outcomes = await Promise.all(installations.map((installationId) => letGo({ integrationId, installationId })));
    await finishDeletion({ integrationId, outcomes });
    showPhase('deleted', `Deleted: ${outcomes.join(', ') || 'nothing at the provider'}`);
  });
}

async function waitForBuilds(integrationId: string): Promise<string[]> {
  for (const pause of pausesMs) {
    const { builds, installations } = await readDeletion({ integrationId });
    if (builds === 0) return installations;
    showPhase('ending_builds', `Waiting for ${builds} builds to end`);
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
