import { randomBytes, randomUUID } from 'node:crypto';
import { createGitHubBroker } from '../../broker/github.ts';
import { type Build, buildsIn, createBuild, type NewBuild } from '../../db/builds.ts';
import { registerOperatorApp } from '../../db/operator-app.ts';
import { pipelinesIn } from '../../db/pipelines.ts';
import { createKeyring } from '../../db/sealing.ts';
import type { PipelineRow } from '../../db/tables.ts';
import { everything } from '../../db/tenant.ts';
import { parseAllowedHosts } from '../../domain/allowed-hosts.ts';
import type { BuildStatus } from '../../domain/build-status.ts';
import { githubAppPermissions } from '../../domain/github-permissions.ts';
import { createGuardedFetch } from '../../providers/http.ts';
import { openTestDatabase } from '../support/database.ts';
import { startGitHub } from '../support/github.ts';
import { seed } from '../support/seed.ts';
import { buildSteps } from './some-build.ts';

/** A GitHub with one repository, and a database that knows it: what builds there are shown as, step by step. */
export async function startReportScene() {
  const [database, github] = await Promise.all([openTestDatabase(), startGitHub()]);
  const theirs = github.addApp({ permissions: { ...githubAppPermissions } });
  const installation = github.addInstallation(theirs);
  const repository = github.addRepository(installation);
  const keyring = createKeyring([{ id: 'k1', key: randomBytes(32) }]);
  const app = await registerOperatorApp(
    database,
    keyring,
    {
      appId: theirs.appId,
      slug: theirs.slug,
      hostUrl: 'https://github.com',
      apiUrl: github.apiUrl,
      privateKey: theirs.privateKey,
      webhookSecret: theirs.webhookSecret,
    },
    (id) => ({ action: 'signal_with_start', workflow: 'syncInstallations', workflowId: `sync/${id}`, input: {} }),
  );
  const allowedHosts = parseAllowedHosts(github.url);
  const fetch = createGuardedFetch({ allowedHosts, timeoutMs: 10_000, maxBytes: 1_000_000 });
  const run = buildSteps({ database, broker: createGitHubBroker({ database, keyring, fetch }) });

  const rows = seed(database);
  const owner = await rows.org();
  const githubAppId = app.id;
  const installationId = await rows.installation(githubAppId, installation.id, {
    permissions: JSON.stringify(installation.permissions),
  });
  const repositoryId = await rows.repository(
    { githubAppId, installationId, externalId: repository.id },
    { full_name: repository.fullName, name: repository.name, owner: repository.owner },
  );
  const integrationId = await rows.integration({ ...owner, githubAppId, installationId });
  const appId = await rows.app({ ...owner, integrationId, repositoryId });
  const sha = repository.branches.get('main') ?? '';

  const now = async ({ id }: Build): Promise<Build> => {
    const build = await buildsIn(database.reader, everything).find(id);
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

    async newBuild(changes: Partial<NewBuild> = {}, pipeline: Partial<PipelineRow> = {}): Promise<Build> {
      const name = randomUUID().slice(0, 8);
      const made = await rows.pipeline({ ...owner, appId }, { name, ...pipeline });
      const found = await pipelinesIn(database.reader, everything).find(made);
      if (!found) throw new Error('no pipeline');
      const given: NewBuild = {
        ...owner,
        appId,
        pipeline: found,
        integrationId,
        repositoryId,
        event: 'push',
        ref: 'refs/heads/main',
        refName: 'main',
        sha,
        dispatchRef: 'main',
        fairleadRef: 'refs/heads/main',
        fork: false,
        status: 'queued',
        createdBy: 'system',
        ...changes,
      };
      return database.write((trx) => createBuild(trx, given));
    },

    /** Puts the build where it is told, whichever ways lead there. */
    async put(build: Build, status: BuildStatus, more: Record<string, unknown> = {}): Promise<void> {
      await database.write((trx) =>
        trx('builds')
          .where({ id: build.id })
          .update({ status, ...more }),
      );
    },

    report: (build: Build): Promise<void> => run('reportBuild', { buildId: build.id }),

    /** What GitHub shows of the build. */
    checksOf: ({ id }: Build) => [...github.state.checkRuns.values()].filter((check) => check.externalId === id),
    statusesOf: ({ pipeline }: Build) =>
      github.state.statuses.filter(({ context }) => context === pipeline.statusContext).map(({ state }) => state),
    deploymentsOf: ({ id }: Build) =>
      [...github.state.deployments.values()].filter(({ payload }) => JSON.stringify(payload).includes(id)),
    /** What was sent to GitHub about check runs, in order. */
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
