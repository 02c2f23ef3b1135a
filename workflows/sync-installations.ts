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
import { beginSync, finishRepositories, finishSync, syncInstallationPage, syncRepositoryPage } from './activities.ts';

export type SyncInstallations = {
  githubAppId: string;
  /** A pass that an earlier run began: the page to go on with, and whether there was another request meanwhile. */
  goOn?: { page: number; wanted: boolean };
};

export const requested = defineSignal('requested');

/** Requests come in swarms: a hundred repositories added are a hundred webhooks. */
const debounce = '1 second';

/**
 * Reads an App's installations and their repositories, page by page and by GitHub's numbers, and once more while it
 * is asked again meanwhile. One of these runs per App.
 */
export async function syncInstallations({ githubAppId, goOn }: SyncInstallations): Promise<void> {
  let wanted = goOn?.wanted ?? true;
  let page = goOn?.page;
  setHandler(requested, () => {
    wanted = true;
  });

  while (page !== undefined || wanted) {
    if (page === undefined) {
      setCurrentDetails('Waiting a moment for more requests');
      await sleep(debounce);
      wanted = false;
      await beginSync({ githubAppId });
    }
    try {
      for (let next: number | null = page ?? 1; next !== null; ) {
        next = await readInstallations(githubAppId, next);
        // An App may have more installations than one history holds.
        if (next !== null && workflowInfo().continueAsNewSuggested) {
          await continueAsNew<typeof syncInstallations>({ githubAppId, goOn: { page: next, wanted } });
        }
      }
      await finishSync({ githubAppId });
    } catch (failure) {
      if (!(failure instanceof ActivityFailure)) throw failure;
      await finishSync({ githubAppId, failure: tell(failure) });
    }
    page = undefined;
    if (wanted && workflowInfo().continueAsNewSuggested) await continueAsNew<typeof syncInstallations>({ githubAppId });
  }
}

/** Reads one page of the installations, with all repositories of each; answers which page is next. */
async function readInstallations(githubAppId: string, page: number): Promise<number | null> {
  setCurrentDetails(`Reading page ${page} of the installations`);
  const { readable, next } = await syncInstallationPage({ githubAppId, page });
  for (const installationId of readable) await readRepositories(githubAppId, installationId);
  return next;
}

async function readRepositories(githubAppId: string, installationId: string): Promise<void> {
  for (let page: number | null = 1; page !== null; ) {
    setCurrentDetails(`Reading page ${page} of the repositories of ${installationId}`);
    const { next, cutOff }: { next: number | null; cutOff: boolean } = await syncRepositoryPage({
      installationId,
      page,
    });
    // Nothing is taken away for want of an answer.
    if (cutOff) return;
    page = next;
  }
  await finishRepositories({ githubAppId, installationId });
}

function tell(failure: ActivityFailure): { code: string; detail: string } {
  const { cause } = failure;
  const code = (cause instanceof ApplicationFailure && cause.type) || 'unknown';
  return { code, detail: cause?.message ?? failure.message };
}
