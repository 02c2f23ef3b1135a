import { decidedEnd } from '../../db/builds/build-ends.ts';
import { adoptRun, uncertainCode } from '../../db/builds/build-runs.ts';
import { allBuilds, type Build } from '../../db/builds/builds.ts';
import { dispatchesIn } from '../../db/builds/dispatches.ts';
import { repositoriesIn } from '../../db/github/repositories.ts';
import { allIncidents } from '../../db/ops/incidents.ts';
import type { Database, Db, Transaction } from '../../db/store/connection.ts';
import { type BuildStatus, isFinalBuildStatus } from '../../domain/builds/build-status.ts';
import type { BuildEnd } from '../../domain/builds/run-conclusions.ts';

/** The steps of a build that use only the database. */
export function buildActivities({ database }: { database: Database }) {
  return {
    /** Returns what a dispatch left behind if its attempt ended without a result. */
    async settleDispatch({ buildId }: { buildId: string }): Promise<Sent> {
      return withStand(database, buildId, await database.write((trx) => settle(trx, buildId)));
    },

    /**
     * Asks a person to look for a run that was not found in time. Nothing is sent again. Returns false if the run was
     * found.
     */
    async markUncertain({ buildId }: { buildId: string }): Promise<boolean> {
      return database.write(async (trx) => {
        const build = await allBuilds(trx).find(buildId);
        if (!build || build.runId !== null) return false;
        if ((await dispatchesIn(trx).find(buildId))?.state !== 'unknown') return build.status === 'uncertain';
        const moved = await allBuilds(trx).moveStatus(buildId, 'uncertain', {
          reason: uncertainCode,
          detail:
            'GitHub’s response was lost and no run of this build was found. Fairlead does not send it again automatically.',
        });
        if (!moved) return build.status === 'uncertain';
        const repository = await repositoriesIn(trx).find(build.repositoryId);
        await allIncidents(trx).raise({
          orgId: build.orgId,
          projectId: build.projectId,
          code: uncertainCode,
          subjectId: buildId,
          title: `${repository?.fullName ?? 'A repository'}: it is unknown whether build ${buildId} was started`,
          link: repository ? `${repository.url}/actions` : null,
        });
        return true;
      });
    },

    /**
     * Ends the build, and the intent of a dispatch that was never sent. The first end wins, and is returned.
     * `undecided` means that the database has not decided an end, so nothing changed.
     */
    async endBuild({ buildId, end: asked }: { buildId: string; end: BuildEnd }): Promise<Settled> {
      const outcome = await database.write(async (trx) => {
        const build = await allBuilds(trx).find(buildId);
        if (!build || isFinalBuildStatus(build.status)) return 'ended';
        const end = decidedEnd(build, asked);
        if (!end) return 'undecided';
        const dispatch = await dispatchesIn(trx).find(buildId);
        if (dispatch?.state === 'intent') {
          await dispatchesIn(trx).move(buildId, 'refused', { code: end.reason ?? end.status });
        }
        const reason = reasonOf(build, end);
        await allBuilds(trx).moveStatus(buildId, end.status, {
          reason,
          detail: reason && sentences[reason],
        });
        await allIncidents(trx).resolveSubject(uncertainCode, buildId);
        return 'ended';
      });
      return outcome === 'undecided' ? outcome : ((await standOf(database.reader, buildId)) ?? outcome);
    },

    /** Stores that an operator has canceled the build in Temporal. */
    async cancelInTemporal({ buildId }: { buildId: string }): Promise<void> {
      await database.write((trx) => allBuilds(trx).requestCancel(buildId, 'ended_in_temporal'));
    },
  };
}

/** The request to end a build carries no reason. The reason was stored with the build. */
function reasonOf({ cancelReason }: Build, { reason }: BuildEnd): string | undefined {
  return reason === 'canceled_by_request' ? (cancelReason ?? reason) : reason;
}

const sentences: Record<string, string> = {
  run_neutral: 'The run ended with the conclusion `neutral`.',
  run_skipped: 'The run was skipped.',
  run_failed: 'The run failed.',
  run_startup_failure: 'The run could not start: GitHub does not accept the workflow file.',
  run_action_required: 'The run needs an approval at GitHub.',
  run_stale: 'GitHub marked the run as stale.',
  run_timed_out: 'The run took longer than its own limit.',
  run_canceled: 'The run was canceled at GitHub.',
  run_conclusion_unknown: 'The run ended with a conclusion that Fairlead does not know.',
  run_missing: 'The run no longer exists at GitHub.',
  run_not_found: 'GitHub accepted the dispatch, but no run of this build appeared.',
  not_accepted_in_time: 'GitHub did not accept the dispatch within the pipeline’s time limit.',
  app_credentials_rejected: 'GitHub no longer accepts the App, so the run cannot be followed.',
  installation_suspended: 'The App’s installation was suspended, so the run cannot be followed.',
  installation_gone: 'The App was uninstalled, so the run cannot be followed.',
  permission_missing: 'The App lost the permission to read runs, so the run cannot be followed.',
  policy: 'A policy of the account prevents the App from reading runs, so the run cannot be followed.',
  repository_gone: 'The App no longer reaches the repository, so the run cannot be followed.',
  pipeline_timeout: 'The build took longer than its pipeline allows.',
  canceled_by_request: 'The build was canceled.',
  ended_in_temporal: 'An operator ended the build’s workflow in Temporal.',
  integration_deleted: 'Its integration was deleted.',
  integration_not_granted: 'The organization no longer grants its integration to the project.',
  project_deleted: 'Its project was deleted.',
  run_cancel_failed: 'The build was canceled, but GitHub did not accept the request to cancel its run.',
};

/**
 * What is true after an attempt to start a build's run. `running`: the run is known. `accepted`: GitHub accepted the
 * request without naming the run. `later`: nothing was sent, and the workflow may try again. `unknown`: look for the
 * run and never send again. `over`: the build has ended.
 */
export type Sent =
  | { outcome: 'running' | 'accepted' | 'unknown' }
  | { outcome: 'over'; build?: BuildStand }
  | { outcome: 'later'; retryAfterMs: number; code: string };

/** The status of a build in the database, for operators. */
export type BuildStand = { status: BuildStatus; reason: string | null };

type Settled = 'undecided' | 'ended' | BuildStand;

export async function standOf(db: Db, buildId: string): Promise<BuildStand | undefined> {
  const build = await allBuilds(db).find(buildId);
  return build && { status: build.status, reason: build.reason };
}

/** Adds how the build has ended, if it has. The workflow knows no other way. */
export async function withStand(database: Database, buildId: string, sent: Sent): Promise<Sent> {
  const build = sent.outcome === 'over' ? await standOf(database.reader, buildId) : undefined;
  return sent.outcome === 'over' && build ? { ...sent, build } : sent;
}

/** The pause after an attempt that died before it sent anything. */
const pauseMs = 5_000;

/**
 * Reads the outcome of an interrupted attempt from what it stored. An intent proves that nothing was sent. A request
 * that was on its way has an unknown outcome, unless a webhook has shown the run since.
 */
export async function settle(trx: Transaction, buildId: string): Promise<Sent> {
  const build = await allBuilds(trx).find(buildId);
  const dispatch = await dispatchesIn(trx).find(buildId);
  if (!build || isFinalBuildStatus(build.status) || dispatch?.state === 'refused') return { outcome: 'over' };
  // It waits for an approval, so no workflow has anything to do.
  if (build.status === 'blocked') return { outcome: 'over' };
  if (!dispatch || dispatch.state === 'intent') return { outcome: 'later', retryAfterMs: pauseMs, code: 'interrupted' };

  if (build.runId !== null) {
    await dispatchesIn(trx).move(buildId, 'sent', { runId: build.runId });
    if (build.status !== 'running') await adoptRun(trx, build, { runId: build.runId });
    return { outcome: 'running' };
  }
  if (dispatch.state === 'sent') return { outcome: 'accepted' };
  await dispatchesIn(trx).move(buildId, 'unknown', { code: 'interrupted' });
  return { outcome: 'unknown' };
}
