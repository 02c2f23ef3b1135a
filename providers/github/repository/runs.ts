import { idIn, nextPage, orUndefined, timeIn } from '../client.ts';
import { type Conversation, split } from '../conversation.ts';

export type Dispatch = {
  fullName: string;
  /** The file's name below `.github/workflows/`. */
  workflow: string;
  /** The full ref of a branch or tag. A short name can mean either at GitHub, and GitHub starts no run for a commit. */
  ref: string;
  inputs: Record<string, string>;
};

export type Run = {
  id: number;
  attempt: number;
  /** The workflow's `run-name`, evaluated. */
  displayTitle: string;
  status: string | undefined;
  conclusion: string | undefined;
  headSha: string;
  headBranch: string | undefined;
  htmlUrl: string;
  createdAt: number;
};

export type RunQuery = {
  fullName: string;
  /** The file's name. If absent, all workflows. */
  workflow?: string;
  /** In ms. GitHub compares whole seconds. */
  createdAfter?: number;
  event?: string;
  page?: number;
};

/** Workflow runs: start, find, follow and cancel them. */
export function runsOf({ host, request, read, write }: Conversation) {
  async function getRun(fullName: string, runId: number): Promise<Run | undefined> {
    return orUndefined(
      read(
        () => request('GET /repos/{owner}/{repo}/actions/runs/{run_id}', { ...split(fullName), run_id: runId }),
        toRun,
      ),
    );
  }

  return {
    getRun,

    /**
     * Starts a run. GitHub has no idempotency key, so each call may start one. After an `ambiguous` failure, look for
     * the run before anything else. Older hosts do not return the run's id.
     */
    dispatchWorkflow({ fullName, workflow, ref, inputs }: Dispatch): Promise<{ runId?: number; runUrl?: string }> {
      const details = host.returnsRunDetails ? { return_run_details: true } : {};
      return write(
        () =>
          request('POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches', {
            ...split(fullName),
            workflow_id: workflow,
            ref,
            inputs,
            ...details,
          }),
        toDispatched,
        { dispatch: true },
      );
    },

    /** Newest first, 100 a page. With a filter GitHub lists at most 1,000 runs. */
    listRuns(query: RunQuery): Promise<{ runs: Run[]; next: number | undefined }> {
      const { fullName, workflow, createdAfter, event, page = 1 } = query;
      const filter = {
        ...split(fullName),
        per_page: 100,
        page,
        ...(event === undefined ? {} : { event }),
        ...(createdAfter === undefined ? {} : { created: `>=${toSecond(createdAfter)}` }),
      };
      if (workflow === undefined) {
        return read(() => request('GET /repos/{owner}/{repo}/actions/runs', filter), toRuns);
      }
      return read(
        () =>
          request('GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs', {
            ...filter,
            workflow_id: workflow,
          }),
        toRuns,
      );
    },

    /** Cancels a run. GitHub returns 409 if it has already ended, so the run is read and returned. */
    async cancelRun(fullName: string, runId: number): Promise<{ accepted: boolean; run: Run | undefined }> {
      const accepted = await write(
        () => request('POST /repos/{owner}/{repo}/actions/runs/{run_id}/cancel', { ...split(fullName), run_id: runId }),
        () => true,
        { conflict: () => false },
      );
      return { accepted, run: accepted ? undefined : await getRun(fullName, runId) };
    },

    /** Runs all jobs of a finished run again, under the same run id and with the next attempt number. */
    rerun(fullName: string, runId: number): Promise<void> {
      return write(
        () => request('POST /repos/{owner}/{repo}/actions/runs/{run_id}/rerun', { ...split(fullName), run_id: runId }),
        () => undefined,
      );
    },
  };
}

/** 200 with the run since 2026, 204 without a body on older hosts. The library's types know only the latter. */
function toDispatched(data: unknown): { runId?: number; runUrl?: string } {
  if (typeof data !== 'object' || data === null || !('workflow_run_id' in data)) return {};
  const runId = idIn({ id: data.workflow_run_id });
  return 'html_url' in data && typeof data.html_url === 'string' ? { runId, runUrl: data.html_url } : { runId };
}

type RawRun = {
  id: number | bigint;
  run_attempt?: number;
  display_title: string;
  status: string | null;
  conclusion: string | null;
  head_sha: string;
  head_branch: string | null;
  html_url: string;
  created_at: string;
};

function toRuns(data: { workflow_runs: RawRun[] }, answer: { headers: Record<string, unknown> }) {
  return { runs: data.workflow_runs.map(toRun), next: nextPage(answer) };
}

function toRun(raw: RawRun): Run {
  return {
    id: idIn(raw),
    attempt: raw.run_attempt ?? 1,
    displayTitle: raw.display_title,
    status: raw.status ?? undefined,
    conclusion: raw.conclusion ?? undefined,
    headSha: raw.head_sha,
    headBranch: raw.head_branch ?? undefined,
    htmlUrl: raw.html_url,
    createdAt: timeIn(raw.created_at),
  };
}

function toSecond(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}
