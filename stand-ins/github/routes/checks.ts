import { requireRepository } from '../access/tokens.ts';
import { type Call, ok, page, Refused, type Route } from '../answers.ts';
import type { CheckRun, Repository } from '../state.ts';
import { timestamp } from '../views/views.ts';
import { checkView } from '../views/views-of-runs.ts';
import { shaOfRef } from './repositories.ts';

const base = '/repos/{owner}/{repo}';
const mostOfOneName = 1000;
const conclusions = ['action_required', 'cancelled', 'failure', 'neutral', 'success', 'skipped', 'timed_out'];

/** Check runs. Every App sees all of them and changes its own. */
export const checkRoutes: Route[] = [
  {
    method: 'POST',
    path: `${base}/check-runs`,
    handle(call) {
      const { repository, caller } = requireRepository(call, 'checks:write');
      const check = createCheck(call, repository, caller.app.appId);
      return { status: 201, body: checkView(call.state, check, repository) };
    },
  },
  {
    method: 'GET',
    path: `${base}/check-runs/{check_run_id}`,
    handle(call) {
      const { repository } = requireRepository(call, 'checks:read');
      return ok(checkView(call.state, requireCheck(call, repository), repository));
    },
  },
  {
    method: 'PATCH',
    path: `${base}/check-runs/{check_run_id}`,
    handle(call) {
      const { repository, caller } = requireRepository(call, 'checks:write');
      const check = requireCheck(call, repository);
      if (check.appId !== caller.app.appId) throw new Refused(403, `Invalid app_id ${caller.app.appId}`);
      change(call, check);
      return ok(checkView(call.state, check, repository));
    },
  },
  {
    method: 'GET',
    path: `${base}/commits/{ref}/check-runs`,
    handle(call) {
      const { repository } = requireRepository(call, 'checks:read');
      const ref = call.params['ref'] ?? '';
      const sha = shaOfRef(repository, ref) ?? ref;
      const is = (name: string, value: string) => [null, value].includes(call.query.get(name));
      const found = [...call.state.checkRuns.values()]
        .filter((one) => one.repositoryId === repository.id && one.headSha === sha)
        .filter((one) => is('check_name', one.name) && is('status', one.status) && is('app_id', String(one.appId)))
        .filter(isWanted(call.query.get('filter') ?? 'latest'))
        .reverse();
      return page(call, found, (some) => ({
        total_count: found.length,
        check_runs: some.map((one) => checkView(call.state, one, repository)),
      }));
    },
  },
];

function createCheck(call: Call, repository: Repository, appId: number): CheckRun {
  const { state, body } = call;
  const { name, head_sha: headSha } = body as { name?: string; head_sha?: string };
  if (!name || !headSha) throw new Refused(422, "Invalid request.\n\nFor 'properties/name', nil is not a string.");
  if (!/^[0-9a-f]{40}$/.test(headSha)) throw new Refused(422, `No commit found for SHA: ${headSha}`);
  const same = [...state.checkRuns.values()].filter((one) => one.headSha === headSha && one.name === name);
  if (same.length >= mostOfOneName) throw new Refused(422, 'Validation Failed');
  const check: CheckRun = {
    id: state.nextId() + 40_000_000_000,
    repositoryId: repository.id,
    appId,
    name,
    headSha,
    externalId: '',
    detailsUrl: null,
    status: 'queued',
    conclusion: null,
    startedAt: timestamp(state.now()),
    completedAt: null,
    output: { title: null, summary: null, text: null, annotations: 0 },
  };
  change(call, check);
  state.checkRuns.set(check.id, check);
  return check;
}

type Given = {
  name?: string;
  external_id?: string;
  details_url?: string;
  status?: string;
  conclusion?: string;
  started_at?: string;
  completed_at?: string;
  output?: { title?: string; summary?: string; text?: string; annotations?: unknown[] };
};

function change({ state, body }: Call, check: CheckRun): void {
  const given = body as Given;
  if (given.conclusion !== undefined && !conclusions.includes(given.conclusion)) {
    throw new Refused(
      422,
      `Invalid request.\n\n${given.conclusion} is not a member of ${JSON.stringify(conclusions)}.`,
    );
  }
  // A conclusion completes the run, and a completed run needs a conclusion.
  const status = given.conclusion === undefined ? (given.status ?? check.status) : 'completed';
  const conclusion = status === 'completed' ? (given.conclusion ?? check.conclusion) : null;
  if (status === 'completed' && !conclusion) throw new Refused(422, 'Invalid request.\n\nMissing conclusion.');
  const { output } = given;
  Object.assign(check, {
    name: given.name ?? check.name,
    externalId: given.external_id ?? check.externalId,
    detailsUrl: given.details_url ?? check.detailsUrl,
    status,
    conclusion,
    startedAt: given.started_at ?? check.startedAt,
    completedAt: status === 'completed' ? (given.completed_at ?? timestamp(state.now())) : null,
    ...(output && {
      output: {
        title: output.title ?? null,
        summary: output.summary ?? null,
        text: output.text ?? null,
        // They are added to those of earlier calls.
        annotations: check.output.annotations + (output.annotations?.length ?? 0),
      },
    }),
  });
}

function requireCheck({ state, params }: Call, repository: Repository): CheckRun {
  const check = state.checkRuns.get(Number(params['check_run_id']));
  if (!check || check.repositoryId !== repository.id) throw new Refused(404, 'Not Found');
  return check;
}

/** The latest of each name and App, unless all are requested. */
function isWanted(filter: string) {
  return (one: CheckRun, _: number, all: CheckRun[]) =>
    filter === 'all' || !all.some((other) => other.id > one.id && other.name === one.name && other.appId === one.appId);
}
