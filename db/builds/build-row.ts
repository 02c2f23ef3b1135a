import type { BuildStatus } from '../../domain/builds/build-status.ts';
import { distinctName } from '../../domain/builds/plain-text.ts';
import type { BuildEnd } from '../../domain/builds/run-conclusions.ts';
import type { Db } from '../store/connection.ts';
import type { BuildRow } from '../store/tables.ts';
import type { Pipeline } from './pipelines.ts';

export type Build = {
  id: string;
  orgId: string;
  projectId: string;
  appId: string;
  /** The pipeline at the time of the trigger, and the name of the build's status, which must not change later. */
  pipeline: Pipeline & { statusContext?: string };
  integrationId: string;
  repositoryId: string;
  status: BuildStatus;
  /** A stable code and a sentence for it, if the status alone does not explain the state. */
  reason: string | null;
  detail: string | null;
  event: string;
  /** The full ref that triggered the build, and its short name. */
  ref: string;
  refName: string;
  sha: string;
  /**
   * The branch on which the workflow is dispatched, or the tag as `refs/tags/…`, because a branch can have the same
   * name.
   */
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
  /** The reason of the cancellation, for the workflow that ends the build. */
  cancelReason: string | null;
  /** The end of its run, as GitHub reported it. */
  runEnd: BuildEnd | null;
  deploymentId: number | null;
  /** The status that the provider was last sent: as the commit's status, the check run and the deployment. */
  reportedStatus: string | null;
  checkRunId: number | null;
  checkStatus: string | null;
  deploymentStatus: string | null;
  /** Until this time, a report without a response might still take effect. */
  reportDoubtUntil: number | null;
  revision: number;
  createdAt: number;
  updatedAt: number;
  startedAt: number | null;
  finishedAt: number | null;
};

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
    cancelReason: row.cancel_reason,
    runEnd: row.run_end === null ? null : (JSON.parse(row.run_end) as BuildEnd),
    deploymentId: row.deployment_id,
    reportedStatus: row.reported_status,
    checkRunId: row.check_run_id,
    checkStatus: row.check_status,
    deploymentStatus: row.deployment_status,
    reportDoubtUntil: row.report_doubt_until,
    revision: row.revision,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
  };
}

/**
 * Returns the name under which a pipeline reports at a commit. GitHub keeps one status per name, ignores case, and
 * rejects some characters. A repository can be the source of several apps, even in other projects, and their names can
 * be equal. The first pipeline gets the plain name. Later ones get a name that ends with a part of their ID.
 */
export async function statusContextOf(db: Db, { id, appId, name }: Pipeline, repositoryId: string): Promise<string> {
  const app = await db('apps').where({ id: appId }).first('name');
  const names = distinctName(`${app?.name ?? appId}/${name}`);
  const earlier = await db('pipelines')
    .join('apps', 'apps.id', 'pipelines.app_id')
    .where('apps.source_repository_id', repositoryId)
    .whereNull('apps.deleted_at')
    .whereNull('pipelines.deleted_at')
    .where('pipelines.id', '<', id)
    .select('apps.name as app_name', 'pipelines.name as name');
  const isTaken = earlier.some((one) => isSameText(distinctName(`${one.app_name}/${one.name}`), names));
  return isTaken ? `fairlead/${names} (${id.slice(-6)})` : `fairlead/${names}`;
}

function isSameText(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

/** Returns the repository, the branch or tag, and the commit of a build, for operators. */
export async function codeName(
  db: Db,
  { repositoryId, refName, sha }: Pick<Build, 'repositoryId' | 'refName' | 'sha'>,
): Promise<string> {
  const repository = await db('repositories').where({ id: repositoryId }).first('full_name');
  return `${repository?.full_name ?? repositoryId} ${refName} at ${sha.slice(0, 7)}`;
}
