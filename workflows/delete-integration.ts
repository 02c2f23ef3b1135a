import { ActivityFailure, CancellationScope, patched, sleep } from '@temporalio/workflow';
import type { RevocationOutcome } from '../domain/deletion/revocation.ts';
import { finishDeletion, giveUpUninstall, readDeletion, uninstallInstallation } from './activities.ts';
import { codeOf } from './failure.ts';
import { phaseIsStatus, showPhase } from './phase.ts';

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
    showPhase(
      patched(phaseIsStatus) ? 'deleting' : 'revoking',
      `Releasing ${count(installations.length, 'installation')}`,
    );
    const outcomes = await Promise.all(installations.map((installationId) => letGo({ integrationId, installationId })));
    await finishDeletion({ integrationId, outcomes });
    showPhase('deleted', `Deleted: ${outcomes.join(', ') || 'nothing at the provider'}`);
  });
}

async function waitForBuilds(integrationId: string): Promise<string[]> {
  for (const pause of pausesMs) {
    const { builds, installations } = await readDeletion({ integrationId });
    if (builds === 0) return installations;
    showPhase(patched(phaseIsStatus) ? 'deleting' : 'ending_builds', `Waiting for ${count(builds, 'build')} to end`);
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

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
