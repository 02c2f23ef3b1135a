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

export type SyncInstallations = {
  githubAppId: string;
  /** A pass that an earlier run began: where it goes on, and whether there was another request meanwhile. */
  goOn?: { position: Position; wanted: boolean };
};

/** How far a pass has come. Installations are named by our ids. */
export type Position = {
  /** The next page of installations; none after the last one. */
  page: number | null;
  /** Whether those that were on no page were asked for. */
  confirmed: boolean;
  /** Whose repositories are read now, one after the other, and whose once all others were. */
  waiting: string[];
  later: string[];
  /** Of the first one that waits: its next page, and why it is read once more, if it is. */
  repositories: { page: number; again?: 'read_whole' | 'read_changes' };
  /** While those are read that failed at first: one trouble is waited out, for more of it there is no time. */
  retrying?: 'patiently' | 'briefly';
  /** How many installations there are of which GitHub tells too little. */
  unreadable: number;
};

export const requested = defineSignal('requested');

/** Requests come in swarms: a hundred repositories added are a hundred webhooks. */
const debounce = '1 second';

/** A pass may be longer than one history should be. */
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
 * Reads an App's installations and their repositories, page by page and by GitHub's numbers, and once more while it
 * is asked again meanwhile. One of these runs per App.
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
      setCurrentDetails('Waiting a moment for more requests');
      await sleep(debounce);
      wanted = false;
      await beginSync({ githubAppId });
      position = start;
    }
    try {
      for (let next: Position | undefined = position; next; next = await goFurther(githubAppId, position)) {
        position = next;
        if (isLong()) await continueAsNew<typeof syncInstallations>({ githubAppId, goOn: { position, wanted } });
        pages += 1;
      }
      await finishSync({ githubAppId, unreadable: position.unreadable });
    } catch (failure) {
      if (!(failure instanceof ActivityFailure)) throw failure;
      await finishSync({ githubAppId, failure: tell(failure) });
    }
    position = undefined;
    if (wanted && isLong()) await continueAsNew<typeof syncInstallations>({ githubAppId });
  }
}

/** One page further; nothing where that was the last. */
async function goFurther(githubAppId: string, position: Position): Promise<Position | undefined> {
  const [installationId, ...others] = position.waiting;
  if (installationId !== undefined) return readRepositories(githubAppId, position, installationId, others);
  if (position.page !== null) {
    setCurrentDetails(`Reading page ${position.page} of the installations`);
    const { readable, unreadable, next } = await syncInstallationPage({ githubAppId, page: position.page });
    return { ...position, page: next, waiting: readable, unreadable: position.unreadable + unreadable };
  }
  if (!position.confirmed) {
    setCurrentDetails('Asking for the installations that were on no page');
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
    // Nothing is taken away for want of an answer.
    if (cutOff) return over;
    if (next !== null) return { ...position, repositories: { ...position.repositories, page: next } };
    const outcome = await finishRepositories({ githubAppId, installationId, again: again !== undefined });
    return outcome === 'done' ? over : { ...position, repositories: { page: 1, again: outcome } };
  } catch (failure) {
    if (!(failure instanceof ActivityFailure) || concernsTheApp(tell(failure).code)) throw failure;
    const isRefusal = failure.cause instanceof ApplicationFailure && failure.cause.nonRetryable === true;
    // Whatever is wrong with one installation, the others do not wait for it.
    if (!isRefusal && !position.retrying) return { ...over, later: [...position.later, installationId] };
    await skipInstallation({ githubAppId, installationId, failure: tell(failure) });
    return isRefusal ? over : { ...over, retrying: 'briefly' };
  }
}
