import { isFinalBuildStatus } from '../../domain/builds/build-status.ts';
import { type BuildEnd, endOfRun } from '../../domain/builds/run-conclusions.ts';
import { findBuildId } from '../../domain/builds/workflow-inputs.ts';
import type { IncidentCode } from '../../domain/ops/incidents.ts';
import { buildWorkflowId } from '../../domain/ops/workflow-ids.ts';
import { allIncidents } from '../ops/incidents.ts';
import { commandsIn } from '../store/commands.ts';
import type { Db } from '../store/connection.ts';
import { recordRunEnd } from './build-ends.ts';
import { appendBuildEvent } from './build-events.ts';
import { allBuilds, type Build, toBuild } from './builds.ts';
import { dispatchesIn } from './dispatches.ts';

/** A workflow run, as a webhook or a response of GitHub describes it. */
export type RunFacts = {
  /** Our ID of the repository. */
  repositoryId: string;
  runId: number;
  runAttempt: number;
  status: string;
  conclusion: string | null;
  url: string;
  /** The evaluated `run-name`, which contains the build's ID. */
  displayTitle: string;
};

/** The input of the signal `reported`. It holds only our own IDs and words. */
export type RunReport = { runId: number; ended?: BuildEnd };

/**
 * Applies a webhook about a run, if the run belongs to a build. It stores the run and signals the build's workflow if
 * it learns something new: the run that it looks for, or the run's end. A build that has ended does not change, even if
 * its run is attempted again.
 */
export async function recordRun(trx: Db, run: RunFacts): Promise<{ buildId: string } | undefined> {
  const build = await buildOf(trx, run);
  if (!build) return undefined;
  if (isFinalBuildStatus(build.status)) {
    if (build.runId === null) await rememberLate(trx, build, run);
    return { buildId: build.id };
  }
  const wanted = await adoptRun(trx, build, run);
  const ended = endOfRun(run);
  if (ended) await recordRunEnd(trx, build.id, ended);
  if (ended || wanted) {
    const report: RunReport = { runId: run.runId, ...(ended && { ended }) };
    await commandsIn(trx).add({
      action: 'signal',
      workflow: 'dispatchBuild',
      workflowId: buildWorkflowId(build.id),
      signal: 'reported',
      input: report,
    });
  }
  return { buildId: build.id };
}

/**
 * Assigns the run to the build and moves the build to `running`. Returns true if the build's workflow is looking for
 * this run, for example because the response of its dispatch was lost.
 */
export async function adoptRun(
  trx: Db,
  build: Build,
  run: { runId: number; runAttempt?: number; url?: string | undefined },
): Promise<boolean> {
  const builds = allBuilds(trx);
  const facts = { id: run.runId, attempt: run.runAttempt, url: run.url };
  const found = await dispatchesIn(trx).find(build.id);
  if (found?.state === 'unknown') await dispatchesIn(trx).move(build.id, 'sent', { runId: run.runId });
  if (build.runId === null) await appendBuildEvent(trx, build, 'run_found', { run_id: run.runId });

  const moved = await builds.moveStatus(build.id, 'running', { run: facts });
  if (!moved) await builds.rememberRun(build.id, facts);
  if (build.status === 'uncertain') await allIncidents(trx).resolveSubject(uncertainCode, build.id);
  // While the dispatch is still being sent, its own activity finds the run in the build's row.
  return build.runId === null && found?.state !== 'sending';
}

/** The incident for a dispatch whose response was lost and whose run cannot be found. */
export const uncertainCode = 'dispatch_uncertain' satisfies IncidentCode;

async function buildOf(trx: Db, run: RunFacts): Promise<Build | undefined> {
  const known = await trx('builds').where({ repository_id: run.repositoryId, run_id: run.runId }).first();
  if (known) return toBuild(known);
  const id = findBuildId(run.displayTitle);
  if (id === undefined) return undefined;
  // The author of the workflow chooses the title. It counts only in the build's own repository, and only for a build
  // that was sent and has no other run.
  const row = await trx('builds').where({ id, repository_id: run.repositoryId, run_id: null }).first();
  const dispatch = row && (await dispatchesIn(trx).find(id));
  return row && dispatch && ['sending', 'sent', 'unknown'].includes(dispatch.state) ? toBuild(row) : undefined;
}

async function rememberLate(trx: Db, build: Build, run: RunFacts): Promise<void> {
  await allBuilds(trx).rememberRun(build.id, { id: run.runId, attempt: run.runAttempt, url: run.url });
  await appendBuildEvent(trx, build, 'run_found', { run_id: run.runId, late: true });
}
