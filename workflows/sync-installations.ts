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
import { concernsTheApp } from '../domain/github/github-features.ts';
import {
  beginSync,
  confirmInstallations,
  finishRepositories,
  finishSync,
  skipInstallation,
  syncInstallationPage,
  syncRepositoryPage,
  syncRepositoryPagePatiently,
} from './activities.ts';
import { tell } from './failure.ts';
import { type Ended, showEnd, showPhase } from './phase.ts';

export type SyncInstallations = {
  githubAppId: string;
  /** A pass that an earlier run began: its position, and whether there was another request since. */
  goOn?: { position: Position; wanted: boolean };
};

/** The position of a pass. Installations have our IDs. */
export type Position = {
  /** The next page of installations, or null after the last one. */
  page: number | null;
  /** Whether the installations on no page were confirmed. */
  confirmed: boolean;
  /** The installations whose repositories are read now, and those that are read after all others. */
  waiting: string[];
  later: string[];
  /** The next page of the first waiting installation, and why it is read again. */
  repositories: { page: number; again?: 'read_whole' | 'read_changes' };
  /** Set while failed installations are read again. The first failure is waited for, and later ones are not. */
  retrying?: 'patiently' | 'briefly';
  /** The number of installations that GitHub does not fully describe. */
  unreadable: number;
};

export const requested = defineSignal('requested');

/** Requests arrive in bursts: a hundred added repositories are a hundred webhooks. */
const debounce = '1 second';

/** A pass can be longer than one workflow history should be. */
const pagesInOneRun = 50;

const start: Position = {
  page: 1,
  confirmed: false,
  waiting: [],
  later: [],
  repositories: { page: 1 },
  unreadable: 0,
};

/**
 * Reads an App's installations and their repositories page by page. It repeats this if there was another request in
 * between. There is one of these workflows per App.
 */
export async function syncInstallations({ githubAppId, goOn }: SyncInstallations): Promise<void> {
  let wanted = goOn?.wanted ?? true;
  let position = goOn?.position;
  let pages = 0;
  setHandler(requested, () => {
    wanted = true;
  });
  const isLong = () => pages >= pagesInOneRun || workflowInfo().continueAsNewSuggested;

  while (position || wanted) {
    if (!position) {
      showPhase('running', 'Waiting briefly for more requests');
      await sleep(debounce);
      wanted = false;
      // Only a sync from an earlier version returns nothing here.
      if ((await beginSync({ githubAppId })) === false) {
        showPhase('succeeded', 'Nothing has requested a sync');
        continue;
      }
      position = start;
    }
    try {
      for (let next: Position | undefined = position; next; next = await goFurther(githubAppId, position)) {
        position = next;
        if (isLong()) await continueAsNew<typeof syncInstallations>({ githubAppId, goOn: { position, wanted } });
        pages += 1;
      }
      showEnd(endOf(await finishSync({ githubAppId, unreadable: position.unreadable })));
    } catch (failure) {
      if (!(failure instanceof ActivityFailure)) throw failure;
      const told = tell(failure);
      await finishSync({ githubAppId, failure: told });
      showEnd(endOf(told));
    }
    position = undefined;
    if (wanted && isLong()) await continueAsNew<typeof syncInstallations>({ githubAppId });
  }
}

/** A pass that skipped an installation has failed, as its operation shows. A step of an earlier version returns nothing. */
function endOf(failure: { code: string } | null | undefined): Ended {
  return failure ? { status: 'failed', reason: failure.code } : { status: 'succeeded' };
}

/** Reads one more page. Returns nothing after the last one. */
async function goFurther(githubAppId: string, position: Position): Promise<Position | undefined> {
  const [installationId, ...others] = position.waiting;
  if (installationId !== undefined) return readRepositories(githubAppId, position, installationId, others);
  if (position.page !== null) {
    setCurrentDetails(`Reading page ${position.page} of the installations`);
    const { readable, unreadable, next } = await syncInstallationPage({ githubAppId, page: position.page });
    return { ...position, page: next, waiting: readable, unreadable: position.unreadable + unreadable };
  }
  if (!position.confirmed) {
    setCurrentDetails('Checking the installations that were on no page');
    const { readable, more } = await confirmInstallations({ githubAppId });
    return { ...position, confirmed: !more, waiting: readable };
  }
  if (position.later.length > 0) return { ...position, waiting: position.later, later: [], retrying: 'patiently' };
  return undefined;
}

async function readRepositories(
  githubAppId: string,
  position: Position,
  installationId: string,
  others: string[],
): Promise<Position> {
  const { page, again } = position.repositories;
  const over: Position = { ...position, waiting: others, repositories: start.repositories };
  const readPage = position.retrying === 'patiently' ? syncRepositoryPagePatiently : syncRepositoryPage;
  setCurrentDetails(`Reading page ${page} of the repositories of ${installationId}`);
  try {
    const { next, cutOff } = await readPage({ installationId, page, whole: again === 'read_whole' });
    // An installation that could not be read keeps its repositories.
    if (cutOff) return over;
    if (next !== null) return { ...position, repositories: { ...position.repositories, page: next } };
    const outcome = await finishRepositories({ githubAppId, installationId, again: again !== undefined });
    return outcome === 'done' ? over : { ...position, repositories: { page: 1, again: outcome } };
  } catch (failure) {
    if (!(failure instanceof ActivityFailure) || concernsTheApp(tell(failure).code)) throw failure;
    const isRefusal = failure.cause instanceof ApplicationFailure && failure.cause.nonRetryable === true;
    // A failing installation does not hold up the others.
    if (!isRefusal && !position.retrying) return { ...over, later: [...position.later, installationId] };
    await skipInstallation({ githubAppId, installationId, failure: tell(failure) });
    return isRefusal ? over : { ...over, retrying: 'briefly' };
  }
}
