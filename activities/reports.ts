import { appendBuildEvent } from '../db/build-events.ts';
import { type Build, buildsIn } from '../db/builds.ts';
import type { Database } from '../db/connection.ts';
import { everything } from '../db/tenant.ts';
import type { BuildStatus } from '../domain/build-status.ts';
import { isPassing } from './failures.ts';
import { withHeartbeats } from './heartbeats.ts';
import { type ReachDeps, reachRepository } from './reach.ts';
import { codeOf } from './refusals.ts';

type Report = {
  commit: 'error' | 'failure' | 'pending' | 'success';
  deployment: 'error' | 'failure' | 'in_progress' | 'queued' | 'success';
  sentence: string;
};

/** What GitHub is told of each status. Builds that were never started on purpose are no failure of the commit. */
const reports: Record<BuildStatus, Report | undefined> = {
  blocked: undefined,
  queued: { commit: 'pending', deployment: 'queued', sentence: 'Waiting to be started' },
  dispatching: { commit: 'pending', deployment: 'queued', sentence: 'Being started' },
  uncertain: { commit: 'pending', deployment: 'queued', sentence: 'It is not known whether the run was started' },
  running: { commit: 'pending', deployment: 'in_progress', sentence: 'Running' },
  succeeded: { commit: 'success', deployment: 'success', sentence: 'Succeeded' },
  failed: { commit: 'failure', deployment: 'failure', sentence: 'Failed' },
  timed_out: { commit: 'error', deployment: 'error', sentence: 'Took longer than allowed' },
  canceled: { commit: 'error', deployment: 'error', sentence: 'Canceled' },
  superseded: { commit: 'error', deployment: 'error', sentence: 'Superseded by a newer build' },
  declined: undefined,
  skipped: undefined,
};

export function reportActivities(deps: ReachDeps) {
  return {
    /** Tells GitHub what is true of the build by now. Nothing is repeated that it has been told. */
    async reportBuild({ buildId }: { buildId: string }): Promise<void> {
      await withHeartbeats(async () => {
        try {
          await reportBuild(deps, buildId);
        } catch (error) {
          if (!isPassing(error)) await noteRefusal(deps.database, buildId, codeOf(error));
          throw error;
        }
      });
    },
  };
}

/**
 * Posts the build's status as it is in the database, and again while it changed meanwhile: so the last word is the
 * truth even where two of these overlap. A crash between the post and its note repeats a post, which harms nothing.
 */
export async function reportBuild(deps: ReachDeps, buildId: string): Promise<void> {
  const { database } = deps;
  for (;;) {
    const build = await buildsIn(database.reader, everything).find(buildId);
    const report = build && reports[build.status];
    if (!build || !report || build.reportedStatus === build.status) return;
    await postStatus(deps, build, report);
    if (build.pipeline.environment) await postDeployment(deps, build, build.pipeline.environment, report);
    await database.write((trx) => buildsIn(trx, everything).markReported(buildId, build.status));
  }
}

async function postStatus(deps: ReachDeps, build: Build, report: Report): Promise<void> {
  const { github, fullName } = await reachRepository(deps, build, { statuses: 'write' });
  await github.createStatus({
    fullName,
    sha: build.sha,
    state: report.commit,
    // A build of an earlier version goes on as it began.
    context: build.pipeline.statusContext ?? `fairlead/${build.pipeline.name}`,
    description: descriptionOf(build, report),
    ...(build.runUrl !== null && { targetUrl: build.runUrl }),
  });
}

async function postDeployment(deps: ReachDeps, build: Build, environment: string, report: Report): Promise<void> {
  // What was never started deploys nothing.
  if (build.deploymentId === null && build.runId === null) return;
  const { github, fullName } = await reachRepository(deps, build, { deployments: 'write' });
  let id = build.deploymentId;
  if (id === null) {
    // One may be there already, made by an attempt that could not write it down.
    const listed = await github.listDeployments({ fullName, environment, sha: build.sha });
    const ours = listed.find(({ payload }) => buildIn(payload) === build.id);
    const { id: found } =
      ours ??
      (await github.createDeployment({
        fullName,
        ref: build.sha,
        environment,
        description: `Build ${build.id}`,
        payload: { fairlead_build: build.id },
      }));
    id = found;
    await deps.database.write((trx) => buildsIn(trx, everything).rememberDeployment(build.id, found));
  }
  await github.createDeploymentStatus({
    fullName,
    deploymentId: id,
    state: report.deployment,
    description: descriptionOf(build, report),
    ...(build.runUrl !== null && { logUrl: build.runUrl }),
  });
}

/** GitHub gives a payload back as it was sent, or as the text of it. */
function buildIn(payload: unknown): unknown {
  const text = typeof payload === 'string' ? payload : JSON.stringify(payload ?? null);
  return text.match(/"fairlead_build":\s*"([^"]+)"/)?.[1];
}

function descriptionOf(build: Build, report: Report): string {
  return build.detail === null ? report.sentence : `${report.sentence}: ${build.detail}`;
}

async function noteRefusal(database: Database, buildId: string, code: string): Promise<void> {
  await database.write(async (trx) => {
    const build = await buildsIn(trx, everything).find(buildId);
    if (build) await appendBuildEvent(trx, build, 'report_refused', { code, status: build.status });
  });
}
