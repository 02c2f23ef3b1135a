import { adoptRun, uncertainCode } from '../../db/builds/build-runs.ts';
import { allBuilds } from '../../db/builds/builds.ts';
import { dispatchesIn } from '../../db/builds/dispatches.ts';
import { allIncidents } from '../../db/ops/incidents.ts';
import type { Database, Transaction } from '../../db/store/connection.ts';
import { isFinalBuildStatus } from '../../domain/builds/build-status.ts';
import type { BuildEnd } from '../../domain/builds/run-conclusions.ts';

/** Bookkeeping that touches nothing but our database. */
export function buildActivities({ database }: { database: Database }) {
  return {
    /** What a dispatch left behind whose attempt ended without a result. */
    async settleDispatch({ buildId }: { buildId: string }): Promise<Sent> {
      return database.write((trx) => settle(trx, buildId));
    },

    /** The run was not found in time: a person is asked to look, and nothing is sent again. False where it was found. */
    async markUncertain({ buildId }: { buildId: string }): Promise<boolean> {
      return database.write(async (trx) => {
        const build = await allBuilds(trx).find(buildId);
        if (!build || build.runId !== null) return false;
        const moved = await allBuilds(trx).moveStatus(buildId, 'uncertain', {
          reason: uncertainCode,
          detail: 'GitHub’s answer was lost and no run of this build has been found. It is not sent again by itself.',
        });
        if (!moved) return build.status === 'uncertain';
        await allIncidents(trx).raise({
          orgId: build.orgId,
          projectId: build.projectId,
          code: uncertainCode,
          subjectId: buildId,
        });
        return true;
      });
    },

    /** Ends the build, and the intent of a dispatch that was never sent. The end that came first stays. */
    async endBuild({ buildId, end }: { buildId: string; end: BuildEnd }): Promise<void> {
      await database.write(async (trx) => {
        const dispatch = await dispatchesIn(trx).find(buildId);
        if (dispatch?.state === 'intent') {
          await dispatchesIn(trx).move(buildId, 'refused', { code: end.reason ?? end.status });
        }
        const reason = await reasonOf(trx, buildId, end);
        await allBuilds(trx).moveStatus(buildId, end.status, {
          reason,
          detail: reason && sentences[reason],
        });
        await allIncidents(trx).resolveSubject(uncertainCode, buildId);
      });
    },
  };
}

/** Whoever asks a build's workflow to end it does not say why: that was written down with the build. */
async function reasonOf(trx: Transaction, buildId: string, { reason }: BuildEnd): Promise<string | undefined> {
  if (reason !== 'canceled_by_request') return reason;
  return (await allBuilds(trx).find(buildId))?.cancelReason ?? reason;
}

const sentences: Record<string, string> = {
  run_neutral: 'The run ended neutral.',
  run_skipped: 'The run was skipped.',
  run_failed: 'The run failed.',
  run_startup_failure: 'The run could not start: GitHub does not accept the workflow file.',
  run_action_required: 'The run asks for an approval at GitHub.',
  run_stale: 'GitHub gave the run up.',
  run_timed_out: 'The run took longer than its own limit.',
  run_canceled: 'The run was canceled at GitHub.',
  run_conclusion_unknown: 'The run ended in a way that GitHub did not have before.',
  run_missing: 'The run no longer exists at GitHub.',
  run_not_found: 'GitHub accepted the dispatch, but no run that shows this build appeared.',
  not_accepted_in_time: 'GitHub did not accept the dispatch within the pipeline’s time limit.',
  app_credentials_rejected: 'GitHub no longer accepts the App, so the run cannot be followed.',
  installation_suspended: 'The App’s installation was suspended, so the run cannot be followed.',
  installation_gone: 'The App was uninstalled, so the run cannot be followed.',
  permission_missing: 'The App lost the permission to read runs, so the run cannot be followed.',
  policy: 'A policy of the account keeps the App from reading runs, so the run cannot be followed.',
  repository_gone: 'The App no longer reaches the repository, so the run cannot be followed.',
  pipeline_timeout: 'The build took longer than its pipeline allows.',
  canceled_by_request: 'The build was canceled.',
  integration_deleted: 'Its integration was deleted.',
  integration_not_granted: 'The organization no longer grants its integration to the project.',
  project_deleted: 'Its project was deleted.',
  run_cancel_failed: 'The build was canceled, but GitHub did not take the request to cancel its run.',
};

/**
 * What is true after an attempt to start a build's run. `running`: the run is known. `accepted`: GitHub took it
 * without saying which run it is. `later`: certainly nothing was sent, and it may be tried again. `unknown`: look for
 * the run, never send again. `over`: the build has ended, here or elsewhere.
 */
export type Sent =
  | { outcome: 'running' | 'accepted' | 'unknown' | 'over' }
  | { outcome: 'later'; retryAfterMs: number; code: string };

/** The pause before the next attempt after one that died before it sent anything. */
const pauseMs = 5_000;

/**
 * Reads the outcome of an attempt that is over from what it wrote down. An intent proves that nothing was sent. A
 * call that was on its way has an unknown outcome, unless the run has shown itself by its webhook since.
 */
export async function settle(trx: Transaction, buildId: string): Promise<Sent> {
  const build = await allBuilds(trx).find(buildId);
  const dispatch = await dispatchesIn(trx).find(buildId);
  if (!build || isFinalBuildStatus(build.status) || dispatch?.state === 'refused') return { outcome: 'over' };
  if (!dispatch || dispatch.state === 'intent') return { outcome: 'later', retryAfterMs: pauseMs, code: 'interrupted' };

  if (build.runId !== null) {
    await dispatchesIn(trx).move(buildId, 'sent', { runId: build.runId });
    await adoptRun(trx, build, { runId: build.runId });
    return { outcome: 'running' };
  }
  if (dispatch.state === 'sent') return { outcome: 'accepted' };
  await dispatchesIn(trx).move(buildId, 'unknown', { code: 'interrupted' });
  return { outcome: 'unknown' };
}
