import { requireRepository } from '../access/tokens.ts';
import { type Call, page, Refused, type Route } from '../answers.ts';
import type { App, Deployment, DeploymentStatus, Repository, State, Status } from '../state.ts';
import { deploymentStatusView, deploymentView, statusView } from '../views/views-of-runs.ts';
import { shaOfRef } from './repositories.ts';

const mostStatuses = 1000;

/** Commit statuses and deployments. */
export const reportRoutes: Route[] = [
  {
    method: 'POST',
    path: '/repos/{owner}/{repo}/statuses/{sha}',
    handle(call) {
      const { repository, caller } = requireRepository(call, 'statuses:write');
      const status = createStatus(call, repository);
      return { status: 201, body: statusView(call.state, status, repository, caller.app) };
    },
  },
  {
    method: 'GET',
    path: '/repos/{owner}/{repo}/commits/{ref}/statuses',
    handle(call) {
      const { repository, caller } = requireRepository(call, 'statuses:read');
      const ref = call.params['ref'] ?? '';
      const sha = shaOfRef(repository, ref) ?? ref;
      const found = call.state.statuses.filter((one) => one.repositoryId === repository.id && one.sha === sha);
      return page(call, found.reverse(), (some) =>
        some.map((status) => statusView(call.state, status, repository, caller.app)),
      );
    },
  },
  {
    method: 'POST',
    path: '/repos/{owner}/{repo}/deployments',
    handle(call) {
      const { repository, caller } = requireRepository(call, 'deployments:write');
      const deployment = createDeployment(call, repository);
      return { status: 201, body: deploymentView(call.state, deployment, repository, caller.app) };
    },
  },
  {
    method: 'GET',
    path: '/repos/{owner}/{repo}/deployments',
    handle(call) {
      const { repository, caller } = requireRepository(call, 'deployments:read');
      const is = (name: string, value: string) => [null, 'none', value].includes(call.query.get(name));
      const found = [...call.state.deployments.values()]
        .filter((one) => one.repositoryId === repository.id && is('sha', one.sha) && is('ref', one.ref))
        .filter((one) => is('task', one.task) && is('environment', one.environment))
        .reverse();
      return page(call, found, (some) => some.map((one) => deploymentView(call.state, one, repository, caller.app)));
    },
  },
  {
    method: 'POST',
    path: '/repos/{owner}/{repo}/deployments/{deployment_id}/statuses',
    handle(call) {
      const { repository, caller } = requireRepository(call, 'deployments:write');
      const deployment = requireDeployment(call, repository);
      const status = addDeploymentStatus(call, deployment);
      if (status.state === 'success' && call.body['auto_inactive'] !== false) retireOthers(call.state, deployment);
      return { status: 201, body: toView(call.state, deployment, repository, caller.app)(status) };
    },
  },
  {
    method: 'GET',
    path: '/repos/{owner}/{repo}/deployments/{deployment_id}/statuses',
    handle(call) {
      const { repository, caller } = requireRepository(call, 'deployments:read');
      const deployment = requireDeployment(call, repository);
      return page(call, deployment.statuses.toReversed(), (some) =>
        some.map(toView(call.state, deployment, repository, caller.app)),
      );
    },
  },
];

function createStatus({ state, params, body }: Call, repository: Repository): Status {
  const sha = params['sha'] ?? '';
  if (!/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(sha)) throw new Refused(422, `No commit found for SHA: ${sha}`);
  const given = String(body['state'] ?? '');
  if (!['error', 'failure', 'pending', 'success'].includes(given)) throw invalid('Status', 'state');
  const description = (body['description'] as string | undefined) ?? null;
  if (description && [...description].length > 140) throw invalid('Status', 'description');
  const context = (body['context'] as string | undefined) ?? 'default';
  if (description) refuseFourBytes('Status', 'description', description);
  refuseFourBytes('Status', 'context', context);
  const same = state.statuses.filter(
    (one) => one.repositoryId === repository.id && one.sha === sha && sameText(one.context, context),
  );
  if (same.length >= mostStatuses) {
    throw new Refused(422, 'Validation Failed', {
      errors: ['This SHA and context has reached the maximum number of statuses.'],
    });
  }
  const status: Status = {
    id: state.nextId(),
    repositoryId: repository.id,
    sha,
    state: given,
    context,
    description,
    targetUrl: (body['target_url'] as string | undefined) ?? null,
    createdAt: state.now(),
  };
  state.statuses.push(status);
  return status;
}

function createDeployment({ state, body }: Call, repository: Repository): Deployment {
  const ref = String(body['ref'] ?? '');
  const sha = shaOfRef(repository, ref) ?? (/^[0-9a-f]{40}$/.test(ref) ? ref : undefined);
  if (!sha) throw new Refused(422, `No ref found for: ${ref}`);
  const deployment: Deployment = {
    id: state.nextId(),
    repositoryId: repository.id,
    ref,
    sha,
    task: (body['task'] as string | undefined) ?? 'deploy',
    environment: (body['environment'] as string | undefined) ?? 'production',
    description: (body['description'] as string | undefined) ?? null,
    payload: body['payload'] ?? {},
    createdAt: state.now(),
    statuses: [],
  };
  state.deployments.set(deployment.id, deployment);
  return deployment;
}

function addDeploymentStatus({ state, body }: Call, deployment: Deployment): DeploymentStatus {
  const states = ['error', 'failure', 'inactive', 'in_progress', 'queued', 'pending', 'success'];
  if (!states.includes(String(body['state']))) throw invalid('DeploymentStatus', 'state');
  const description = (body['description'] as string | undefined) ?? '';
  if ([...description].length > 140) throw invalid('DeploymentStatus', 'description');
  refuseFourBytes('DeploymentStatus', 'description', description);
  const status: DeploymentStatus = {
    id: state.nextId(),
    state: String(body['state']),
    description,
    logUrl: (body['log_url'] as string | undefined) ?? '',
    environmentUrl: (body['environment_url'] as string | undefined) ?? '',
    createdAt: state.now(),
  };
  deployment.statuses.push(status);
  return status;
}

/** Marks earlier deployments to the environment as inactive. GitHub spares production environments. */
function retireOthers(state: State, { id, repositoryId, environment }: Deployment): void {
  if (environment === 'production') return;
  const before = [...state.deployments.values()].filter(
    (one) => one.id !== id && one.repositoryId === repositoryId && one.environment === environment,
  );
  for (const { statuses } of before.filter((one) => one.statuses.at(-1)?.state === 'success')) {
    statuses.push({
      id: state.nextId(),
      state: 'inactive',
      description: '',
      logUrl: '',
      environmentUrl: '',
      createdAt: state.now(),
    });
  }
}

function requireDeployment({ state, params }: Call, repository: Repository): Deployment {
  const deployment = state.deployments.get(Number(params['deployment_id']));
  if (!deployment || deployment.repositoryId !== repository.id) throw new Refused(404, 'Not Found');
  return deployment;
}

function toView(state: State, deployment: Deployment, repository: Repository, app: App) {
  return (status: DeploymentStatus) => deploymentStatusView(state, deployment, status, repository, app);
}

/** GitHub stores these texts in columns that take three bytes for each character. */
function refuseFourBytes(resource: string, field: string, text: string): void {
  if (!/[\u{10000}-\u{10FFFF}]/u.test(text)) return;
  const message = `${field} doesn't accept 4-byte Unicode`;
  throw new Refused(422, 'Validation Failed', { errors: [{ resource, code: 'custom', field, message }] });
}

function invalid(resource: string, field: string): Refused {
  return new Refused(422, 'Validation Failed', { errors: [{ resource, field, code: 'invalid' }] });
}

/** Two contexts are the same if they differ only in case. */
function sameText(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
