import { type BuildStatus, buildMoves, isFinalBuildStatus } from '../../domain/builds/build-status.ts';
import { newId } from '../../domain/ids.ts';
import { sourcesOf } from '../../domain/moves.ts';
import { buildWorkflowId } from '../../domain/ops/workflow-ids.ts';
import { allLeases } from '../exchange/leases.ts';
import { integrationDeleted, integrationDeletedDetail, isDeleted } from '../integrations/usable-integrations.ts';
import { allIncidents } from '../ops/incidents.ts';
import { commandsIn } from '../store/commands.ts';
import type { Db } from '../store/connection.ts';
import { type Page, type PageRequest, pageOf } from '../store/page.ts';
import type { BuildRow } from '../store/tables.ts';
import { everything, type TenantScope, within } from '../store/tenant.ts';
import { appendBuildEvent } from './build-events.ts';
import { buildReportsIn } from './build-reports.ts';
import { type Build, codeName, statusContextOf, toBuild } from './build-row.ts';

export { type Build, toBuild } from './build-row.ts';

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
 * Stores a build with its first event in the caller's transaction. If the build is queued, it also adds the command
 * that starts its workflow. A build that is blocked or failed at once starts no workflow, but is reported to the
 * provider.
 */
export async function createBuild(trx: Db, wanted: NewBuild): Promise<Build> {
  const now = Date.now();
  // If the integration is deleted, the build fails at once instead of waiting for a run that will never start.
  const cutOff = await isDeleted(trx, wanted.integrationId);
  const input: NewBuild = cutOff
    ? { ...wanted, status: 'failed', reason: integrationDeleted, detail: integrationDeletedDetail }
    : wanted;
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
    cancel_reason: null,
    run_end: null,
    deployment_id: null,
    reported_status: null,
    check_run_id: null,
    check_status: null,
    deployment_status: null,
    report_claim: null,
    report_claim_until: null,
    report_doubt_until: null,
    revision: 1,
    created_at: now,
    updated_at: now,
    started_at: null,
    finished_at: input.status === 'failed' ? now : null,
  };
  await trx('builds').insert(row);
  const build = toBuild(row);
  await appendBuildEvent(trx, build, 'created', { status: build.status, reason: build.reason });
  if (build.status === 'queued') await commandsIn(trx).add(await startOf(trx, build));
  else if (!cutOff) await buildReportsIn(trx).request(build);
  return build;
}

/** Returns the command that starts a build's workflow. */
export async function startOf(db: Db, build: Build) {
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
    summary: `Build ${await codeName(db, build)} with pipeline ${build.pipeline.name}`,
  };
}

export type BuildFilter = {
  projectId?: string | undefined;
  appId?: string | undefined;
  pipelineId?: string | undefined;
  status?: BuildStatus | undefined;
};

/** What else can change together with a status. */
export type BuildPatch = {
  reason?: string | undefined;
  detail?: string | undefined;
  run?: { id: number; attempt?: number | undefined; url?: string | undefined } | undefined;
  /** Narrows the statuses from which the move is allowed. */
  from?: readonly BuildStatus[] | undefined;
};

/** Bind it to a transaction to write more than one row: a move also appends its event. */
export function buildsFor(db: Db, scope: TenantScope) {
  const rows = () => within(scope, db('builds'));

  return {
    async find(id: string): Promise<Build | undefined> {
      const row = await rows().where({ id }).first();
      return row && toBuild(row);
    },

    /** Lists the newest first. */
    async list(filter: BuildFilter, page: PageRequest): Promise<Page<Build>> {
      const query = rows();
      if (filter.projectId) query.where({ project_id: filter.projectId });
      if (filter.appId) query.where({ app_id: filter.appId });
      if (filter.pipelineId) query.where({ pipeline_id: filter.pipelineId });
      if (filter.status) query.where({ status: filter.status });
      return pageOf(query, page, toBuild);
    },

    /**
     * Moves the status if the current status allows it, so that a late writer cannot undo an end. Returns false
     * otherwise.
     */
    async moveStatus(id: string, to: BuildStatus, patch: BuildPatch = {}): Promise<boolean> {
      const now = Date.now();
      // A build that was never started has no workflow that would report to the provider.
      const endsHeld = isFinalBuildStatus(to) && buildMoves.blocked.includes(to);
      const held = endsHeld && (await rows().where({ id, status: 'blocked' }).first('id'));
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
      if (isFinalBuildStatus(to)) {
        await allLeases(db).revoke({ buildId: id });
        await allIncidents(db).resolveAbout(id, 'dispatch_uncertain', 'build_stuck');
      }
      if (held) await buildReportsIn(db).request(toBuild(row));
      return true;
    },

    /** Stores which run belongs to the build, without changing its status. */
    async rememberRun(id: string, run: NonNullable<BuildPatch['run']>): Promise<void> {
      await rows()
        .where({ id })
        .update({ ...runColumns(run), updated_at: Date.now() });
    },

    /**
     * Asks the build's workflow to end it. Returns false if the build has ended. If this was requested before, it
     * returns true and adds no second command or reason.
     */
    async requestCancel(id: string, reason: string): Promise<boolean> {
      const build = await this.find(id);
      if (!build || isFinalBuildStatus(build.status)) return false;
      const [row] = await rows()
        .where({ id, cancel_requested: false })
        .update({
          cancel_requested: true,
          cancel_reason: reason,
          revision: db.raw('revision + 1') as unknown as number,
          updated_at: Date.now(),
        })
        .returning('*');
      if (!row) return true;
      await appendBuildEvent(db, build, 'cancel_requested', { reason });
      await commandsIn(db).add({
        action: 'signal',
        workflow: 'dispatchBuild',
        workflowId: buildWorkflowId(id),
        signal: 'canceled',
        input: null,
      });
      return true;
    },

    /** Stores the status that the commit's status at the provider shows. */
    async markReported(id: string, status: BuildStatus): Promise<void> {
      await rows().where({ id }).update({ reported_status: status, updated_at: Date.now() });
    },
  };
}

/** Covers all tenants. Use it only with IDs that were authorized when they were stored. */
export const allBuilds = (db: Db) => buildsFor(db, everything);

function runColumns(run: BuildPatch['run']): Partial<BuildRow> {
  if (!run) return {};
  return {
    run_id: run.id,
    ...(run.attempt !== undefined && { run_attempt: run.attempt }),
    ...(run.url !== undefined && { run_url: run.url }),
  };
}

/**
 * Ends a build at once if nothing was sent. Otherwise the build ends as soon as the provider was asked to end it.
 * Returns false if the build has ended.
 */
export async function cancelBuild(trx: Db, id: string, reason: string): Promise<boolean> {
  const builds = allBuilds(trx);
  if (await builds.moveStatus(id, 'canceled', { reason, from: ['queued', 'blocked'] })) return true;
  return builds.requestCancel(id, reason);
}
