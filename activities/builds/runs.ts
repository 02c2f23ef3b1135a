import { mayStop, recordRunEnd } from '../../db/builds/build-ends.ts';
import { adoptRun } from '../../db/builds/build-runs.ts';
import { allBuilds, type Build } from '../../db/builds/builds.ts';
import { dispatchesIn } from '../../db/builds/dispatches.ts';
import { isFinalBuildStatus } from '../../domain/builds/build-status.ts';
import { lostAccess } from '../../domain/builds/lost-access.ts';
import { type BuildEnd, endOfRun } from '../../domain/builds/run-conclusions.ts';
import { findBuildId } from '../../domain/builds/workflow-inputs.ts';
import type { Run } from '../../providers/github/repository/runs.ts';
import { codeOf } from '../refusals.ts';
import { type BuildStand, standOf } from './builds.ts';
import { type ReachDeps, reachRepository } from './reach.ts';

/** `absent`: no run shows this build. `missing`: the run is known, but GitHub no longer has it. */
export type Look =
  | { state: 'absent' | 'missing' | 'running' }
  | { state: 'over'; build?: BuildStand }
  | { state: 'ended'; end: BuildEnd };

/** The clock of GitHub can differ from the clock of this machine. */
const clockMarginMs = 2 * 60_000;
/** A page has 100 runs. GitHub lists at most 1,000. */
const maxPages = 10;

export function runActivities(deps: ReachDeps) {
  const { database } = deps;

  /** Returns the run that shows the build in its name, among the runs created since the dispatch. */
  async function findRun(build: Build, access: 'read' | 'write'): Promise<Run | undefined> {
    const { github, fullName } = await reachRepository(deps, build, { actions: access });
    if (build.runId !== null) return github.getRun(fullName, build.runId);

    const dispatch = await dispatchesIn(database.reader).find(build.id);
    const createdAfter = (dispatch?.createdAt ?? build.createdAt) - clockMarginMs;
    const workflow = build.pipeline.workflowFile;
    for (let page: number | undefined = 1; page !== undefined && page <= maxPages; ) {
      const listed: Awaited<ReturnType<typeof github.listRuns>> = await github.listRuns({
        fullName,
        workflow,
        event: 'workflow_dispatch',
        createdAfter,
        page,
      });
      const run = listed.runs.find(({ displayTitle }) => findBuildId(displayTitle) === build.id);
      if (run) return run;
      page = listed.next;
    }
    return undefined;
  }

  async function adopt(build: Build, run: Run): Promise<void> {
    await database.write((trx) => adoptRun(trx, build, { runId: run.id, runAttempt: run.attempt, url: run.htmlUrl }));
  }

  async function open(buildId: string): Promise<Build | undefined> {
    const build = await allBuilds(database.reader).find(buildId);
    return build && !isFinalBuildStatus(build.status) ? build : undefined;
  }

  async function over(buildId: string): Promise<Look> {
    const build = await standOf(database.reader, buildId);
    return { state: 'over', ...(build && { build }) };
  }

  /** Stores the end of the run, so that the build can end with it. */
  async function ended(build: Build, end: BuildEnd): Promise<BuildEnd> {
    await database.write((trx) => recordRunEnd(trx, build.id, end));
    return end;
  }

  return {
    /** Asks GitHub for the state of the build's run, or whether any run shows this build. */
    async lookForRun({ buildId }: { buildId: string }): Promise<Look> {
      const build = await open(buildId);
      if (!build) return over(buildId);
      const run = await findRun(build, 'read').catch(async (error) => {
        const reason = lostAccess[codeOf(error)];
        if (reason !== undefined) await ended(build, { status: 'failed', reason });
        throw error;
      });
      if (!run && build.runId === null) return { state: 'absent' };
      if (!run) {
        await ended(build, { status: 'failed', reason: 'run_missing' });
        return { state: 'missing' };
      }
      if (build.runId === null || build.runAttempt !== run.attempt || build.status !== 'running')
        await adopt(build, run);
      const end = endOfRun(run);
      return end ? { state: 'ended', end: await ended(build, end) } : { state: 'running' };
    },

    /**
     * Asks GitHub to cancel the build's run, if there is one and the database says that the build must stop. If the run
     * has already ended, its own result counts.
     */
    async cancelRun({ buildId }: { buildId: string }): Promise<Look> {
      const build = await open(buildId);
      if (!build) return over(buildId);
      if (!mayStop(build)) return { state: 'running' };
      const run = build.runId === null ? await findRun(build, 'write') : { id: build.runId };
      if (!run) return { state: 'absent' };
      const { github, fullName } = await reachRepository(deps, build, { actions: 'write' });
      const { run: refused } = await github.cancelRun(fullName, run.id);
      const end = refused && endOfRun(refused);
      return end ? { state: 'ended', end: await ended(build, end) } : { state: 'running' };
    },
  };
}
