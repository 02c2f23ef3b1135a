import { idIn, nextPage } from '../client.ts';
import { type Conversation, split } from '../conversation.ts';

export type CheckConclusion =
  | 'action_required'
  | 'cancelled'
  | 'failure'
  | 'neutral'
  | 'skipped'
  | 'success'
  | 'timed_out';

export type CheckState =
  | { status: 'queued' | 'in_progress' }
  | { status: 'completed'; conclusion: CheckConclusion; completedAt?: number };

export type CheckReport = {
  fullName: string;
  state: CheckState;
  /** Plain text. */
  title: string;
  /** Markdown. Callers must escape text that others wrote. */
  summary: string;
  detailsUrl?: string;
  startedAt?: number;
};

export type NewCheckRun = CheckReport & {
  name: string;
  sha: string;
  /** Our build id, which finds the check run again. */
  externalId: string;
};

/** How many pages of 100 are searched for one check run. GitHub keeps 1,000 with the same name. */
const mostPages = 10;

/** Check runs. Only the App that created one may change it. */
export function checksOf({ request, read, write }: Conversation) {
  return {
    createCheckRun({ fullName, name, sha, externalId, ...report }: NewCheckRun): Promise<{ id: number }> {
      return write(
        () =>
          request('POST /repos/{owner}/{repo}/check-runs', {
            ...split(fullName),
            name,
            head_sha: sha,
            external_id: externalId,
            ...bodyOf(report),
          }),
        (data) => ({ id: idIn(data) }),
      );
    },

    updateCheckRun({ fullName, id, ...report }: CheckReport & { id: number }): Promise<void> {
      return write(
        () =>
          request('PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}', {
            ...split(fullName),
            check_run_id: id,
            ...bodyOf(report),
          }),
        () => undefined,
      );
    },

    /** Returns the App's own check run with this build id, if it exists. */
    async findCheckRun(wanted: {
      fullName: string;
      sha: string;
      name: string;
      appId: number;
      externalId: string;
    }): Promise<{ id: number } | undefined> {
      const { fullName, sha, name, appId, externalId } = wanted;
      for (let page: number | undefined = 1; page !== undefined && page <= mostPages; ) {
        const here: number = page;
        const listed = await read(
          () =>
            request('GET /repos/{owner}/{repo}/commits/{ref}/check-runs', {
              ...split(fullName),
              ref: sha,
              check_name: name,
              app_id: appId,
              filter: 'all',
              per_page: 100,
              page: here,
            }),
          (data, answer) => ({
            // Another App can use the same id in its own check run.
            found: data.check_runs.find((run) => run.external_id === externalId && run.app?.id === appId),
            next: nextPage(answer, here),
          }),
        );
        if (listed.found) return { id: idIn(listed.found) };
        page = listed.next;
      }
      return undefined;
    },
  };
}

function bodyOf({ state, title, summary, detailsUrl, startedAt }: Omit<CheckReport, 'fullName'>) {
  return {
    ...stateOf(state),
    output: { title, summary },
    ...(detailsUrl !== undefined && { details_url: detailsUrl }),
    ...(startedAt !== undefined && { started_at: new Date(startedAt).toISOString() }),
  };
}

function stateOf(state: CheckState) {
  if (state.status !== 'completed') return { status: state.status };
  const { status, conclusion, completedAt } = state;
  return {
    status,
    conclusion,
    ...(completedAt !== undefined && { completed_at: new Date(completedAt).toISOString() }),
  };
}
