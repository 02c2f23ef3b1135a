import type { App, CheckRun, Deployment, DeploymentStatus, Repository, Run, State, Status } from '../state.ts';
import { appView, botView, nodeId, repositoryView, senderView, timestamp } from './views.ts';

export function runView(state: State, run: Run, repository: Repository) {
  const self = `${state.apiUrl}/repos/${repository.fullName}/actions/runs/${run.id}`;
  const app = state.apps.get(run.appId);
  const actor = app ? botView(state, app) : senderView(state);
  const { createdAt } = repository;
  return {
    id: run.id,
    name: run.workflowName,
    node_id: nodeId('WFR', run.id),
    head_branch: run.headBranch,
    head_sha: run.headSha,
    path: run.workflowPath,
    display_title: run.displayTitle,
    run_number: run.runNumber,
    event: run.event,
    status: run.status,
    conclusion: run.conclusion,
    workflow_id: run.workflowId,
    check_suite_id: run.id + 1_000_000,
    check_suite_node_id: nodeId('CS', run.id),
    url: self,
    html_url: `${state.url}/${repository.fullName}/actions/runs/${run.id}`,
    pull_requests: [],
    created_at: timestamp(run.createdAt),
    updated_at: timestamp(run.updatedAt),
    actor,
    run_attempt: run.attempt,
    referenced_workflows: [],
    run_started_at: timestamp(run.createdAt),
    triggering_actor: actor,
    jobs_url: `${self}/jobs`,
    logs_url: `${self}/logs`,
    check_suite_url: `${state.apiUrl}/repos/${repository.fullName}/check-suites/${run.id + 1_000_000}`,
    artifacts_url: `${self}/artifacts`,
    cancel_url: `${self}/cancel`,
    rerun_url: `${self}/rerun`,
    previous_attempt_url: run.attempt > 1 ? `${self}/attempts/${run.attempt - 1}` : null,
    workflow_url: `${state.apiUrl}/repos/${repository.fullName}/actions/workflows/${run.workflowId}`,
    head_commit: {
      id: run.headSha,
      tree_id: run.headSha,
      message: 'A commit',
      timestamp: timestamp(createdAt),
      author: { name: 'Octo Cat', email: 'octocat@example.com' },
      committer: { name: 'Octo Cat', email: 'octocat@example.com' },
    },
    repository: repositoryView(state, repository),
    head_repository: repositoryView(state, repository),
  };
}

export function statusView(state: State, status: Status, repository: Repository, creator: App) {
  return {
    url: `${state.apiUrl}/repos/${repository.fullName}/statuses/${status.sha}`,
    avatar_url: `${state.url}/avatars/in/${creator.appId}?v=4`,
    id: status.id,
    node_id: nodeId('SC', status.id),
    state: status.state,
    description: status.description,
    target_url: status.targetUrl,
    context: status.context,
    created_at: timestamp(status.createdAt),
    updated_at: timestamp(status.createdAt),
    creator: botView(state, creator),
  };
}

export function deploymentView(state: State, deployment: Deployment, repository: Repository, creator: App) {
  const self = `${state.apiUrl}/repos/${repository.fullName}`;
  return {
    url: `${self}/deployments/${deployment.id}`,
    id: deployment.id,
    node_id: nodeId('DE', deployment.id),
    sha: deployment.sha,
    ref: deployment.ref,
    task: deployment.task,
    payload: deployment.payload,
    original_environment: deployment.environment,
    environment: deployment.environment,
    description: deployment.description,
    creator: botView(state, creator),
    created_at: timestamp(deployment.createdAt),
    updated_at: timestamp(deployment.createdAt),
    statuses_url: `${self}/deployments/${deployment.id}/statuses`,
    repository_url: self,
    transient_environment: false,
    production_environment: false,
  };
}

export function deploymentStatusView(
  state: State,
  deployment: Deployment,
  status: DeploymentStatus,
  repository: Repository,
  creator: App,
) {
  const self = `${state.apiUrl}/repos/${repository.fullName}`;
  return {
    url: `${self}/deployments/${deployment.id}/statuses/${status.id}`,
    id: status.id,
    node_id: nodeId('DES', status.id),
    state: status.state,
    creator: botView(state, creator),
    description: status.description,
    environment: deployment.environment,
    target_url: status.logUrl,
    created_at: timestamp(status.createdAt),
    updated_at: timestamp(status.createdAt),
    deployment_url: `${self}/deployments/${deployment.id}`,
    repository_url: self,
    environment_url: status.environmentUrl,
    log_url: status.logUrl,
  };
}

export function checkView(state: State, check: CheckRun, repository: Repository) {
  const self = `${state.apiUrl}/repos/${repository.fullName}/check-runs/${check.id}`;
  const html = `${state.url}/${repository.fullName}/runs/${check.id}`;
  const app = state.apps.get(check.appId);
  const { title, summary, text, annotations } = check.output;
  return {
    id: check.id,
    node_id: nodeId('CR', check.id),
    name: check.name,
    head_sha: check.headSha,
    external_id: check.externalId,
    url: self,
    html_url: html,
    details_url: check.detailsUrl ?? html,
    status: check.status,
    conclusion: check.conclusion,
    started_at: check.startedAt,
    completed_at: check.completedAt,
    output: { title, summary, text, annotations_count: annotations, annotations_url: `${self}/annotations` },
    check_suite: { id: check.id - 1 },
    app: app ? appView(state, app) : null,
    pull_requests: [],
  };
}
