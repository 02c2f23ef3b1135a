import {
  ActivityFailure,
  ApplicationFailure,
  continueAsNew,
  defineSignal,
  setCurrentDetails,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import { finishRepositories, finishSync, syncInstallationPage, syncRepositoryPage } from './activities.ts';

export type SyncInstallations = { githubAppId: string };

export const requested = defineSignal('requested');

/** Requests come in swarms: a hundred repositories added are a hundred webhooks. */
const debounce = '1 second';

/**
 * Reads an App's installations and their repositories, page by page and by GitHub's numbers, and once more while it
 * is asked again meanwhile. One of these runs per App.
 */
export async function syncInstallations({ githubAppId }: SyncInstallations): Promise<void> {
  let wanted = true;
  setHandler(requested, () => {
    wanted = true;
  });

  while (wanted) {
    setCurrentDetails('Waiting a moment for more requests');
    await sleep(debounce);
    wanted = false;
    const startedAt = Date.now();
    try {
      await readInstallations(githubAppId, startedAt);
      await finishSync({ githubAppId, startedAt });
    } catch (failure) {
      if (!(failure instanceof ActivityFailure)) throw failure;
      await finishSync({ githubAppId, startedAt, failure: tell(failure) });
    }
    // Between two passes nothing is lost by beginning with an empty history.
    if (wanted && workflowInfo().continueAsNewSuggested) await continueAsNew<typeof syncInstallations>({ githubAppId });
  }
}

async function readInstallations(githubAppId: string, startedAt: number): Promise<void> {
  for (let page: number | null = 1; page !== null; ) {
    setCurrentDetails(`Reading page ${page} of the installations`);
    const { readable, next }: { readable: string[]; next: number | null } = await syncInstallationPage({
      githubAppId,
      page,
    });
    for (const installationId of readable) await readRepositories(installationId, startedAt);
    page = next;
  }
}

async function readRepositories(installationId: string, startedAt: number): Promise<void> {
  for (let page: number | null = 1; page !== null; ) {
    setCurrentDetails(`Reading page ${page} of the repositories of ${installationId}`);
    const { next }: { next: number | null } = await syncRepositoryPage({ installationId, page });
    page = next;
  }
  await finishRepositories({ installationId, startedAt });
}

function tell(failure: ActivityFailure): { code: string; detail: string } {
  const { cause } = failure;
  const code = (cause instanceof ApplicationFailure && cause.type) || 'unknown';
  return { code, detail: cause?.message ?? failure.message };
}
