import { type CheckRun, type Repository, type State, zeroSha } from '../state.ts';
import { nodeId, timestamp } from '../views/views.ts';
import { checkView } from '../views/views-of-runs.ts';
import { context } from './payloads.ts';
import type { Payload } from './webhooks.ts';

/** The event of "Re-run", for one check run or for all of an App at the commit. */
export function checkRunRerequestedPayload(state: State, check: CheckRun): Payload {
  const repository = repositoryOf(state, check);
  return {
    action: 'rerequested',
    check_run: checkView(state, check, repository),
    ...context(state, repository, check.appId),
  };
}

export function checkSuiteRerequestedPayload(state: State, check: CheckRun): Payload {
  const repository = repositoryOf(state, check);
  const { app, check_suite } = checkView(state, check, repository);
  const branch = [...repository.branches].find(([, sha]) => sha === check.headSha)?.[0] ?? null;
  return {
    action: 'rerequested',
    check_suite: {
      ...check_suite,
      node_id: nodeId('CS', check_suite.id),
      head_branch: branch,
      head_sha: check.headSha,
      status: 'queued',
      conclusion: null,
      url: `${state.apiUrl}/repos/${repository.fullName}/check-suites/${check_suite.id}`,
      before: zeroSha,
      after: check.headSha,
      pull_requests: [],
      app,
      created_at: check.startedAt,
      updated_at: timestamp(state.now()),
    },
    ...context(state, repository, check.appId),
  };
}

function repositoryOf(state: State, { id, repositoryId }: CheckRun): Repository {
  const repository = state.repositories.get(repositoryId);
  if (!repository) throw new Error(`The repository of check run ${id} is gone`);
  return repository;
}
