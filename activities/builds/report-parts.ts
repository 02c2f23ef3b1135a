import { buildReportsIn, type ReportNotes } from '../../db/builds/build-reports.ts';
import type { Build } from '../../db/builds/builds.ts';
import { githubAppsIn } from '../../db/github/github-apps.ts';
import { allInstallations } from '../../db/github/installations.ts';
import { repositoriesIn } from '../../db/github/repositories.ts';
import { isFinalBuildStatus } from '../../domain/builds/build-status.ts';
import { ProviderError } from '../../providers/failure.ts';
import type { CheckState } from '../../providers/github/repository/checks.ts';
import { type ReachDeps, reachRepository } from './reach.ts';
import { descriptionOf, summaryOf, webAddress, wordsOf } from './report-words.ts';

/** One of the ways in which GitHub shows a build. */
export type Part = {
  name: 'status' | 'check' | 'deployment';
  /** The other parts show the same information, so a refusal of this part is harmless. */
  mayBeMissing?: true;
  /** Whether GitHub does not yet show the present status. */
  isDue(deps: Pick<ReachDeps, 'database'>, build: Build): Promise<boolean> | boolean;
  /** Call `ready` before each request that changes something. It throws if another step reports the build by now. */
  tell(deps: ReachDeps, build: Build, ready: () => Promise<void>): Promise<ReportNotes>;
};

const statusPart: Part = {
  name: 'status',
  isDue: (_, build) => wordsOf[build.status].commit !== undefined && build.reportedStatus !== build.status,

  async tell(deps, build, ready) {
    const told = { reportedStatus: build.status };
    const state = wordsOf[build.status].commit;
    if (!state || (await buildReportsIn(deps.database.reader).isOvertaken(build))) return told;
    const { github, fullName } = await reachRepository(deps, build, { statuses: 'write' });
    const targetUrl = webAddress(build.runUrl);
    await describedIfAccepted(build, async (described) => {
      await ready();
      await github.createStatus({
        fullName,
        sha: build.sha,
        state,
        context: nameOf(build),
        ...described,
        ...(targetUrl !== undefined && { targetUrl }),
      });
    });
    return told;
  },
};

const checkPart: Part = {
  name: 'check',
  mayBeMissing: true,

  async isDue({ database }, build) {
    if (build.checkStatus === build.status) return false;
    // An owner can grant everything except this permission. Then only the commit status shows the build.
    const repository = await repositoriesIn(database.reader).find(build.repositoryId);
    const installation = repository && (await allInstallations(database.reader).find(repository.installationId));
    return installation?.permissions['checks'] === 'write';
  },

  async tell(deps, build, ready) {
    const { github, fullName } = await reachRepository(deps, build, { checks: 'write' });
    const detailsUrl = webAddress(build.runUrl);
    const report = {
      fullName,
      state: stateOf(build),
      title: wordsOf[build.status].sentence,
      summary: summaryOf(build),
      ...(detailsUrl !== undefined && { detailsUrl }),
      ...(build.startedAt !== null && { startedAt: build.startedAt }),
    };
    const told = { checkStatus: build.status };
    const key = { sha: build.sha, name: nameOf(build), externalId: build.id };
    // An attempt whose response was lost can have created one already.
    const appId = await appIdOf(deps, build);
    const id = build.checkRunId ?? (await github.findCheckRun({ fullName, appId, ...key }))?.id;
    await ready();
    if (id !== undefined) {
      await github.updateCheckRun({ ...report, id });
      return { ...told, checkRunId: id };
    }
    const { id: checkRunId } = await github.createCheckRun({ ...report, ...key });
    return { ...told, checkRunId };
  },
};

const deploymentPart: Part = {
  name: 'deployment',
  isDue(_, build) {
    if (!build.pipeline.environment || !wordsOf[build.status].deployment) return false;
    // A build that never started deploys nothing.
    return build.deploymentStatus !== build.status && (build.deploymentId !== null || build.runId !== null);
  },

  async tell(deps, build, ready) {
    const { environment } = build.pipeline;
    const state = wordsOf[build.status].deployment;
    const told = { deploymentStatus: build.status };
    if (!environment || !state) return told;
    const { github, fullName } = await reachRepository(deps, build, { deployments: 'write' });
    let deploymentId = build.deploymentId;
    if (deploymentId === null) {
      const listed = await github.listDeployments({ fullName, environment, sha: build.sha });
      const ours = listed.find(({ payload }) => buildIn(payload) === build.id);
      await ready();
      const made =
        ours ??
        (await github.createDeployment({
          fullName,
          ref: build.sha,
          environment,
          description: `Build ${build.id}`,
          payload: { fairlead_build: build.id },
        }));
      deploymentId = made.id;
      // The ID is stored even if the request for its status fails.
      const { id } = made;
      await deps.database.write((trx) => buildReportsIn(trx).noteMade(build.id, { deploymentId: id }));
    }
    const logUrl = webAddress(build.runUrl);
    const environmentUrl = webAddress(build.pipeline.environmentUrl);
    const where = { fullName, deploymentId };
    await describedIfAccepted(build, async (described) => {
      await ready();
      await github.createDeploymentStatus({
        ...where,
        state,
        ...described,
        ...(logUrl !== undefined && { logUrl }),
        ...(environmentUrl !== undefined && { environmentUrl }),
      });
    });
    return { ...told, deploymentId };
  },
};

/** All parts, in the order in which they are reported. */
export const parts = [statusPart, checkPart, deploymentPart];

/** Returns the name of the commit status and the check run. A build from an earlier version keeps its old name. */
function nameOf({ pipeline }: Build): string {
  return pipeline.statusContext ?? `fairlead/${pipeline.name}`;
}

/**
 * Sends a report with its description. If GitHub rejects the report as invalid, sends it once more without the
 * description. Otherwise the commit would keep an older state.
 */
async function describedIfAccepted(build: Build, send: (described: { description?: string }) => Promise<void>) {
  try {
    await send({ description: descriptionOf(build) });
  } catch (error) {
    if (!(error instanceof ProviderError) || error.code !== 'validation') throw error;
    await send({});
  }
}

function stateOf(build: Build): CheckState {
  const { check } = wordsOf[build.status];
  if (check === 'queued' || check === 'in_progress') return { status: check };
  const completedAt = isFinalBuildStatus(build.status) ? build.finishedAt : null;
  return { status: 'completed', conclusion: check, ...(completedAt !== null && { completedAt }) };
}

async function appIdOf({ database }: ReachDeps, { repositoryId }: Build): Promise<number> {
  const repository = await repositoriesIn(database.reader).find(repositoryId);
  const app = repository && (await githubAppsIn(database.reader).find(repository.githubAppId));
  return app?.appId ?? 0;
}

/** GitHub returns a payload as it was sent or as text. */
function buildIn(payload: unknown): unknown {
  const text = typeof payload === 'string' ? payload : JSON.stringify(payload ?? null);
  return text.match(/"fairlead_build":\s*"([^"]+)"/)?.[1];
}
