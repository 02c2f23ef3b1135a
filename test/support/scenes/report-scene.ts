import { allBuilds, type Build } from '../../../db/builds/builds.ts';
import type { BuildStatus } from '../../../domain/builds/build-status.ts';
import { githubAppPermissions } from '../../../domain/github/github-permissions.ts';
import { openTestDatabase } from '../database.ts';
import { startGitHub } from '../github.ts';
import { addOperatorApp, brokerTo } from './operator-app.ts';
import { buildSteps } from './some-build.ts';
import { world } from './world.ts';

/** A GitHub with one repository, and a database that knows it. Shows how builds appear there, step by step. */
export async function startReportScene() {
  const [database, github] = await Promise.all([openTestDatabase(), startGitHub()]);
  const theirs = github.addApp({ permissions: { ...githubAppPermissions } });
  const installation = github.addInstallation(theirs);
  const repository = github.addRepository(installation);
  const { id: githubAppId } = await addOperatorApp(database, github, { theirs });
  const run = buildSteps({ database, broker: brokerTo(database, github) });
  const { installationId, newBuild } = await world(database, {
    githubAppId,
    theirs: { installation, repository },
    installation: { permissions: JSON.stringify(installation.permissions) },
  });
  const sha = repository.branches.get('main') ?? '';

  const now = async ({ id }: Build): Promise<Build> => {
    const build = await allBuilds(database.reader).find(id);
    if (!build) throw new Error('no such build');
    return build;
  };

  return {
    database,
    github,
    installation,
    installationId,
    repository,
    app: theirs,
    sha,
    now,

    newBuild,

    /** Moves the build to the status on any allowed path. */
    async put(build: Build, status: BuildStatus, more: Record<string, unknown> = {}): Promise<void> {
      await database.write((trx) =>
        trx('builds')
          .where({ id: build.id })
          .update({ status, ...more }),
      );
    },

    report: (build: Build) => run('reportBuild', { buildId: build.id }),

    /** Returns what GitHub shows of the build. */
    checksOf: ({ id }: Build) => [...github.state.checkRuns.values()].filter((check) => check.externalId === id),
    statusesOf: ({ pipeline }: Build) =>
      github.state.statuses.filter(({ context }) => context === pipeline.statusContext).map(({ state }) => state),
    deploymentsOf: ({ id }: Build) =>
      [...github.state.deployments.values()].filter(({ payload }) => JSON.stringify(payload).includes(id)),
    /** Returns what was sent to GitHub about check runs, in order. */
    checkRequests: ({ id }: Build) => {
      const numbers = [...github.state.checkRuns.values()].filter((one) => one.externalId === id).map((one) => one.id);
      return github
        .requests({ path: /\/check-runs/ })
        .filter(({ method }) => method !== 'GET')
        .filter(({ path, body }) => {
          return (
            numbers.some((number) => path.endsWith(`/${number}`)) ||
            (body as { external_id?: string }).external_id === id
          );
        })
        .map(({ body }) => {
          const { status, conclusion } = body as { status: string; conclusion?: string };
          return conclusion ?? status;
        });
    },

    async close(): Promise<void> {
      await github.close();
      await database.drop();
    },
  };
}
