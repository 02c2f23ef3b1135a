import type { Repository, Run, State } from './state.ts';

export type NewRun = {
  appId: number;
  path: string;
  workflowName: string;
  displayTitle: string;
  inputs: Record<string, unknown>;
  headSha: string;
  headBranch: string;
  event?: string;
};

export function insertRun(state: State, repository: Repository, { path, event, ...run }: NewRun): Run {
  const now = state.now();
  const workflowId = workflowIdOf(state, repository, path);
  const inserted: Run = {
    ...run,
    // Above 32 bits, as GitHub's have long been.
    id: state.nextId() + 9_000_000_000,
    repositoryId: repository.id,
    workflowPath: path,
    workflowId,
    event: event ?? 'workflow_dispatch',
    status: 'queued',
    conclusion: null,
    runNumber: [...state.runs.values()].filter((one) => one.workflowId === workflowId).length + 1,
    attempt: 1,
    createdAt: now,
    updatedAt: now,
  };
  state.runs.set(inserted.id, inserted);
  return inserted;
}

export function workflowIdOf(state: State, repository: Repository, path: string): number {
  const id = repository.workflowIds.get(path) ?? state.nextId();
  repository.workflowIds.set(path, id);
  return id;
}
