import { requireRepository } from '../access/tokens.ts';
import { type Answer, type Call, isVersionOf2026, ok, page, Refused, type Route } from '../answers.ts';
import { insertRun, workflowIdOf } from '../runs.ts';
import type { Repository, Run, State } from '../state.ts';
import { nodeId, timestamp } from '../views/views.ts';
import { runView } from '../views/views-of-runs.ts';
import { filesAt } from './repositories.ts';
import { evaluateRunName, readDefinition } from './workflow-definition.ts';

export type RunHooks = {
  /** Called when a dispatch has created a run. */
  dispatched(run: Run): void;
  cancelled(run: Run): void;
  rerun(run: Run): void;
};

export function actionsRoutes(hooks: RunHooks): Route[] {
  const base = '/repos/{owner}/{repo}/actions';
  return [
    {
      method: 'GET',
      path: `${base}/workflows/{workflow_id}`,
      handle(call) {
        const { repository } = requireRepository(call, 'actions:read');
        return ok(workflowView(call.state, repository, requireWorkflow(call, repository)));
      },
    },
    {
      method: 'POST',
      path: `${base}/workflows/{workflow_id}/dispatches`,
      handle(call) {
        const { repository, caller } = requireRepository(call, 'actions:write');
        const run = dispatch(call, repository, caller.app.appId);
        call.later(() => hooks.dispatched(run));
        // Enterprise Server (3.17 to 3.19) does not know the parameter and does not return the run.
        const asked = call.body['return_run_details'] === true || isVersionOf2026(call);
        if (call.state.flavour === 'ghes' || !asked) return { status: 204 };
        const { url, html_url } = runView(call.state, run, repository);
        return ok({ workflow_run_id: run.id, run_url: url, html_url });
      },
    },
    {
      method: 'GET',
      path: `${base}/workflows/{workflow_id}/runs`,
      handle(call) {
        const { repository } = requireRepository(call, 'actions:read');
        const path = requireWorkflow(call, repository);
        return listRuns(call, repository, (run) => run.workflowPath === path);
      },
    },
    {
      method: 'GET',
      path: `${base}/runs`,
      handle(call) {
        const { repository } = requireRepository(call, 'actions:read');
        return listRuns(call, repository, () => true);
      },
    },
    {
      method: 'GET',
      path: `${base}/runs/{run_id}`,
      handle(call) {
        const { repository } = requireRepository(call, 'actions:read');
        return ok(runView(call.state, requireRun(call, repository), repository));
      },
    },
    {
      method: 'POST',
      path: `${base}/runs/{run_id}/cancel`,
      handle(call) {
        const { repository } = requireRepository(call, 'actions:write');
        const run = requireRun(call, repository);
        if (run.status === 'completed') throw new Refused(409, 'Cannot cancel a workflow run that is completed.');
        call.later(() => hooks.cancelled(run));
        return { status: 202, body: {} };
      },
    },
    {
      method: 'POST',
      path: `${base}/runs/{run_id}/rerun`,
      handle(call) {
        const { repository } = requireRepository(call, 'actions:write');
        const run = requireRun(call, repository);
        if (run.status !== 'completed') {
          throw new Refused(403, 'The workflow run containing this job is already running');
        }
        Object.assign(run, {
          attempt: run.attempt + 1,
          status: 'queued',
          conclusion: null,
          updatedAt: call.state.now(),
        });
        call.later(() => hooks.rerun(run));
        return { status: 201, body: {} };
      },
    },
  ];
}

function dispatch(call: Call, repository: Repository, appId: number): Run {
  const { state, body } = call;
  const path = requireWorkflow(call, repository);
  if (typeof body['ref'] !== 'string' || body['ref'] === '') {
    throw new Refused(422, 'Invalid request.\n\n"ref" wasn\'t supplied.');
  }
  if (repository.disabledWorkflows.has(path)) {
    throw new Refused(422, "Cannot trigger a 'workflow_dispatch' on a disabled workflow");
  }
  const ref = body['ref'];
  const [, kind, branch = ref] = /^refs\/(heads|tags)\/(.+)$/.exec(ref) ?? [];
  // GitHub requires a branch or a tag here, not a commit. If both have the short name, it prefers the branch.
  const headSha =
    (kind === 'tags' ? undefined : repository.branches.get(branch)) ??
    (kind === 'heads' ? undefined : repository.tags.get(branch));
  if (!headSha) throw new Refused(422, `No ref found for: ${ref}`);
  // GitHub runs the version of the file at the ref.
  const text = filesAt(repository, ref).get(path);
  const definition = text === undefined ? undefined : readDefinition(text);
  if (!definition?.dispatchable) throw new Refused(422, "Workflow does not have 'workflow_dispatch' trigger");
  const inputs = checkInputs(state, definition.inputs, (body['inputs'] ?? {}) as Record<string, unknown>);

  const workflowName = definition.name ?? path;
  const displayTitle = definition.runName === undefined ? workflowName : evaluateRunName(definition.runName, inputs);
  return insertRun(state, repository, { appId, path, workflowName, displayTitle, inputs, headSha, headBranch: branch });
}

function checkInputs(
  { flavour }: State,
  declared: ReturnType<typeof readDefinition>['inputs'],
  given: Record<string, unknown>,
): Record<string, unknown> {
  const most = flavour === 'ghes' ? 10 : 25;
  const names = Object.keys(given);
  if (names.length > most) throw new Refused(422, `Invalid request.\n\nNo more than ${most} properties are allowed.`);
  const unexpected = names.filter((name) => !Object.hasOwn(declared, name));
  if (unexpected.length > 0) throw new Refused(422, `Unexpected inputs provided: ${JSON.stringify(unexpected)}`);
  return Object.fromEntries(
    Object.entries(declared).map(([name, input]) => {
      const value = given[name] ?? input?.default;
      const missing = value === undefined || value === '';
      if (missing && input?.required) throw new Refused(422, `Required input '${name}' not provided`);
      if (!missing && input?.type === 'choice' && !input.options?.includes(String(value))) {
        throw new Refused(422, `Provided value '${value}' for input '${name}' not in the list of allowed values`);
      }
      return [name, value ?? ''];
    }),
  );
}

/** Finds a workflow on the default branch by its file's name or its number. */
function requireWorkflow({ state, params }: Call, repository: Repository): string {
  const asked = params['workflow_id'] ?? '';
  const paths = [...filesAt(repository, repository.defaultBranch).keys()].filter((path) =>
    /^\.github\/workflows\/[^/]+\.ya?ml$/.test(path),
  );
  const path = paths.find(
    (one) => one === `.github/workflows/${asked}` || String(workflowIdOf(state, repository, one)) === asked,
  );
  if (!path) throw new Refused(404, 'Not Found');
  return path;
}

function workflowView(state: State, repository: Repository, path: string) {
  const id = workflowIdOf(state, repository, path);
  const file = path.split('/').at(-1) ?? '';
  const html = `${state.url}/${repository.fullName}`;
  return {
    id,
    node_id: nodeId('W', id),
    name: readDefinition(filesAt(repository, repository.defaultBranch).get(path) ?? '').name ?? path,
    path,
    state: repository.disabledWorkflows.has(path) ? 'disabled_manually' : 'active',
    created_at: timestamp(repository.createdAt),
    updated_at: timestamp(repository.createdAt),
    url: `${state.apiUrl}/repos/${repository.fullName}/actions/workflows/${id}`,
    html_url: `${html}/blob/${repository.defaultBranch}/${path}`,
    badge_url: `${html}/workflows/${file}/badge.svg`,
  };
}

function requireRun({ state, params }: Call, repository: Repository): Run {
  const run = state.runs.get(Number(params['run_id']));
  if (!run || run.repositoryId !== repository.id) throw new Refused(404, 'Not Found');
  return run;
}

function listRuns(call: Call, repository: Repository, among: (run: Run) => boolean): Answer {
  const { state, query } = call;
  const is = (name: string, ...values: (string | null)[]) => {
    const wanted = query.get(name);
    return wanted === null || values.includes(wanted);
  };
  const created = createdFilter(query.get('created'));
  const found = [...state.runs.values()]
    .filter((run) => run.repositoryId === repository.id && among(run))
    .filter((run) => is('event', run.event) && is('branch', run.headBranch) && is('head_sha', run.headSha))
    .filter((run) => is('status', run.status, run.conclusion) && created(run.createdAt))
    .sort((a, b) => b.createdAt - a.createdAt || b.id - a.id);
  return page(call, found, (some) => ({
    total_count: found.length,
    workflow_runs: some.map((run) => runView(state, run, repository)),
  }));
}

/**
 * Parses `created=>=2026-11-01T12:00:00Z`, similar forms, and `from..to` with an open `*`. GitHub compares whole
 * seconds.
 */
function createdFilter(text: string | null): (at: number) => boolean {
  if (!text) return () => true;
  const second = (time: string) => Math.floor(Date.parse(time) / 1000);
  const [from, to] = text.split('..');
  if (from !== undefined && to !== undefined) {
    const least = from === '*' ? 0 : second(from);
    const most = to === '*' ? Number.POSITIVE_INFINITY : second(to);
    return (at) => Math.floor(at / 1000) >= least && Math.floor(at / 1000) <= most;
  }
  const [, operator = '', time = ''] = /^(>=|<=|>|<)?(.*)$/.exec(text) ?? [];
  const limit = second(time);
  return (at) => {
    const given = Math.floor(at / 1000);
    if (operator === '>=') return given >= limit;
    if (operator === '>') return given > limit;
    if (operator === '<=') return given <= limit;
    if (operator === '<') return given < limit;
    return given === limit;
  };
}
