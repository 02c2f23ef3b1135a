import { type BuildStatus, buildMoves, isFinalBuildStatus } from '../domain/build-status.ts';
import { newId } from '../domain/ids.ts';
import { sourcesOf } from '../domain/moves.ts';
import { buildWorkflowId } from '../domain/workflow-ids.ts';
import { appendBuildEvent } from './build-events.ts';
import { commandsIn } from './commands.ts';
import type { Db } from './connection.ts';
import { leasesIn } from './leases.ts';
import { type Page, type PageRequest, pageOf } from './page.ts';
import type { Pipeline } from './pipelines.ts';
import { statusContextOf } from './status-context.ts';
import type { BuildRow } from './tables.ts';
import { everything, type TenantScope, within } from './tenant.ts';

export type Build = {
  id: string;
  orgId: string;
  projectId: string;
  appId: string;
  /** As it was when the build was triggered; also the name of its status, which must not change meanwhile. */
  pipeline: Pipeline & { statusContext?: string };
  integrationId: string;
  repositoryId: string;
  status: BuildStatus;
  /** A stable code, and a sentence for it, where the status alone does not say why. */
  reason: string | null;
  detail: string | null;
  event: string;
  /** The full ref that triggered it, and its short name. */
  ref: string;
  refName: string;
  sha: string;
  /** The branch on which the workflow is dispatched, or the tag as `refs/tags/…`: a branch may have the same name. */
  dispatchRef: string;
  /** What the workflow checks out besides the sha: `refs/heads/…`, `refs/tags/…` or `refs/pull/N/head`. */
  fairleadRef: string;
  pullRequest: number | null;
  fork: boolean;
  message: string | null;
  rerunOf: string | null;
  deliveryId: string | null;
  createdBy: string;
  runId: number | null;
  runAttempt: number | null;
  runUrl: string | null;
  cancelRequested: boolean;
  deploymentId: number | null;
  reportedStatus: string | null;
  revision: number;
  createdAt: number;
  updatedAt: number;
  startedAt: number | null;
  finishedAt: number | null;
};

export type NewBuild = Pick<
  Build,
  | 'orgId'
  | 'projectId'
  | 'appId'
  | 'pipeline'
  | 'integrationId'
  | 'repositoryId'
  | 'event'
  | 'ref'
  | 'refName'
  | 'sha'
  | 'dispatchRef'
  | 'fairleadRef'
  | 'fork'
  | 'createdBy'
> & {
  status: 'queued' | 'blocked' | 'failed';
  pullRequest?: number | null | undefined;
  message?: string | null | undefined;
  reason?: string | undefined;
  detail?: string | undefined;
  rerunOf?: string | undefined;
  deliveryId?: string | undefined;
};

/**
 * Writes a build down with its first event and, where it is queued, the command that starts its workflow: all in the
 * caller's transaction. A blocked build and one that failed at once start nothing.
 */
export async function createBuild(trx: Db, input: NewBuild): Promise<Build> {
  const now = Date.now();
  const statusContext =
    input.pipeline.statusContext ?? (await statusContextOf(trx, input.pipeline, input.repositoryId));
  const row: BuildRow = {
    id: newId('bld'),
    org_id: input.orgId,
    project_id: input.projectId,
    app_id: input.appId,
    pipeline_id: input.pipeline.id,
    integration_id: input.integrationId,
    repository_id: input.repositoryId,
    status: input.status,
    reason: input.reason ?? null,
    detail: input.detail ?? null,
    event: input.event,
    ref: input.ref,
    ref_name: input.refName,
    sha: input.sha,
    dispatch_ref: input.dispatchRef,
    fairlead_ref: input.fairleadRef,
    pull_request: input.pullRequest ?? null,
    fork: input.fork,
    message: input.message ?? null,
    pipeline: JSON.stringify({ ...input.pipeline, statusContext }),
    rerun_of: input.rerunOf ?? null,
    delivery_id: input.deliveryId ?? null,
    created_by: input.createdBy,
    run_id: null,
    run_attempt: null,
    run_url: null,
    cancel_requested: false,
    deployment_id: null,
    reported_status: null,
    revision: 1,
    created_at: now,
    updated_at: now,
    started_at: null,
    finished_at: input.status === 'failed' ? now : null,
  };
  await trx('builds').insert(row);
  const build = toBuild(row);
  await appendBuildEvent(trx, build, 'created', { status: build.status, reason: build.reason });
  if (build.status === 'queued') await commandsIn(trx).add(startOf(build));
  return build;
}

function startOf(build: Build) {
  const commit = build.sha.slice(0, 7);
  return {
    action: 'start' as const,
    workflow: 'dispatchBuild',
    workflowId: buildWorkflowId(build.id),
    input: { buildId: build.id, timeoutMinutes: build.pipeline.timeoutMinutes },
    attributes: {
      OrgId: build.orgId,
      ProjectId: build.projectId,
      IntegrationId: build.integrationId,
      BuildId: build.id,
      Kind: 'dispatchBuild',
      Phase: 'queued',
    },
    summary: `Build ${build.refName} at ${commit} with pipeline ${build.pipeline.name}`.slice(0, 200),
  };
}

export type BuildFilter = {
  projectId?: string | undefined;
  appId?: string | undefined;
  pipelineId?: string | undefined;
  status?: BuildStatus | undefined;
};

/** What else may change with a status. */
export type BuildPatch = {
  reason?: string | undefined;
  detail?: string | undefined;
  run?: { id: number; attempt?: number | undefined; url?: string | undefined } | undefined;
  /** Narrows the statuses from which the move is made. */
  from?: readonly BuildStatus[] | undefined;
};

/** Bind to a transaction for whatever writes more than one row: a move also appends its event. */
export function buildsIn(db: Db, scope: TenantScope) {
  const rows = () => within(scope, db('builds'));

  return {
    async find(id: string): Promise<Build | undefined> {
      const row = await rows().where({ id }).first();
      return row && toBuild(row);
    },

    /** Newest first. */
    async list(filter: BuildFilter, page: PageRequest): Promise<Page<Build>> {
      const query = rows();
      if (filter.projectId) query.where({ project_id: filter.projectId });
      if (filter.appId) query.where({ app_id: filter.appId });
      if (filter.pipelineId) query.where({ pipeline_id: filter.pipelineId });
      if (filter.status) query.where({ status: filter.status });
      return pageOf(query, page, toBuild);
    },

    /** Moves the status only from one that allows it, so that a late writer cannot undo an end; false when not. */
    async moveStatus(id: string, to: BuildStatus, patch: BuildPatch = {}): Promise<boolean> {
      const now = Date.now();
      const [row] = await rows()
        .where({ id })
        .whereIn(
          'status',
          sourcesOf(buildMoves, to).filter((status) => patch.from?.includes(status) ?? true),
        )
        .update({
          status: to,
          revision: db.raw('revision + 1') as unknown as number,
          updated_at: now,
          reason: patch.reason ?? null,
          detail: patch.detail ?? null,
          ...runColumns(patch.run),
          ...(to === 'running' && { started_at: now }),
          ...(isFinalBuildStatus(to) && { finished_at: now }),
        })
        .returning('*');
      if (!row) return false;
      await appendBuildEvent(db, toBuild(row), 'status_changed', {
        status: to,
        reason: row.reason,
        detail: row.detail,
      });
      if (isFinalBuildStatus(to)) await leasesIn(db, everything).revoke({ buildId: id });
      return true;
    },

    /** Writes down which run is the build's, without moving it. */
    async rememberRun(id: string, run: NonNullable<BuildPatch['run']>): Promise<void> {
      await rows()
        .where({ id })
        .update({ ...runColumns(run), updated_at: Date.now() });
    },

    /** Asks the build's workflow to end it. False where the build is over; true, and no second command, where asked before. */
    async requestCancel(id: string): Promise<boolean> {
      const build = await this.find(id);
      if (!build || isFinalBuildStatus(build.status)) return false;
      const [row] = await rows()
        .where({ id, cancel_requested: false })
        .update({
          cancel_requested: true,
          revision: db.raw('revision + 1') as unknown as number,
          updated_at: Date.now(),
        })
        .returning('*');
      if (!row) return true;
      await appendBuildEvent(db, build, 'cancel_requested');
      await commandsIn(db).add({
        action: 'signal',
        workflow: 'dispatchBuild',
        workflowId: buildWorkflowId(id),
        signal: 'canceled',
        input: null,
      });
      return true;
    },

    async rememberDeployment(id: string, deploymentId: number): Promise<void> {
      await rows().where({ id }).update({ deployment_id: deploymentId, updated_at: Date.now() });
    },

    /** The status that the provider was last told. */
    async markReported(id: string, status: BuildStatus): Promise<void> {
      await rows().where({ id }).update({ reported_status: status, updated_at: Date.now() });
    },
  };
}

function runColumns(run: BuildPatch['run']): Partial<BuildRow> {
  if (!run) return {};
  return {
    run_id: run.id,
    ...(run.attempt !== undefined && { run_attempt: run.attempt }),
    ...(run.url !== undefined && { run_url: run.url }),
  };
}

export function toBuild(row: BuildRow): Build {
  return {
    id: row.id,
    orgId: row.org_id,
    projectId: row.project_id,
    appId: row.app_id,
    pipeline: JSON.parse(row.pipeline),
    integrationId: row.integration_id,
    repositoryId: row.repository_id,
    status: row.status,
    reason: row.reason,
    detail: row.detail,
    event: row.event,
    ref: row.ref,
    refName: row.ref_name,
    sha: row.sha,
    dispatchRef: row.dispatch_ref,
    fairleadRef: row.fairlead_ref,
    pullRequest: row.pull_request,
    fork: Boolean(row.fork),
    message: row.message,
    rerunOf: row.rerun_of,
    deliveryId: row.delivery_id,
    createdBy: row.created_by,
    runId: row.run_id,
    runAttempt: row.run_attempt,
    runUrl: row.run_url,
    cancelRequested: Boolean(row.cancel_requested),
    deploymentId: row.deployment_id,
    reportedStatus: row.reported_status,
    revision: row.revision,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
  };
}
