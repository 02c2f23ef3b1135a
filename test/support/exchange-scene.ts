import { leaseActivities } from '../../activities/leases.ts';
import { createExchange } from '../../broker/exchange.ts';
import { createBuild } from '../../db/builds.ts';
import { pipelinesIn } from '../../db/pipelines.ts';
import { everything } from '../../db/tenant.ts';
import { githubAppPermissions } from '../../domain/github-permissions.ts';
import { startApi } from './api.ts';
import { openTestDatabase } from './database.ts';
import { startGitHub } from './github.ts';
import { keyring } from './hooks.ts';
import { addOperatorApp, brokerTo } from './operator-app.ts';
import { seed } from './seed.ts';
import { addOrg, addProject, addToken } from './tenants.ts';

export type Given = {
  token?: string;
  username?: string;
  password?: string;
  env?: Record<string, string>;
  expires_at: number;
  effective_scope: { repositories: { id: string }[]; permissions: Record<string, string>; narrowed: string | null };
  lease_id: string;
  integration_id: string;
  code?: string;
};

/** The API on a stand-in for GitHub, and whoever asks it for tokens. */
export async function exchangeScene() {
  const [database, github] = await Promise.all([openTestDatabase(), startGitHub()]);
  const rows = seed(database);
  const app = await addOperatorApp(database, github);
  const broker = brokerTo(database, github);
  const exchange = createExchange({ database, keyring, broker });
  const api = await startApi({ database, exchange });
  const leases = leaseActivities({ database, keyring, broker });

  /** A project with an integration that reaches a repository, and an app and a pipeline on it. */
  async function project(org?: string) {
    const orgId = org ?? (await addOrg(database));
    const projectId = await addProject(database, orgId);
    return { ...(await connected({ orgId, projectId })), orgId, projectId };
  }

  /** Another connection of the project: to an installation of its own, or to this one. */
  async function connected(
    where: { orgId: string; projectId: string },
    on?: { installationId: string; repositoryId: string },
  ) {
    const installation = github.addInstallation(app.theirs, { permissions: { ...githubAppPermissions } });
    const theirs = github.addRepository(installation, {});
    const installationId =
      on?.installationId ??
      (await rows.installation(app.id, installation.id, { permissions: JSON.stringify(installation.permissions) }));
    const repositoryId =
      on?.repositoryId ??
      (await rows.repository(
        { githubAppId: app.id, installationId, externalId: theirs.id },
        { owner: theirs.owner, name: theirs.name, full_name: theirs.fullName },
      ));
    const integrationId = await rows.integration({ ...where, githubAppId: app.id, installationId });
    const appId = await rows.app({ ...where, integrationId, repositoryId });
    const pipelineId = await rows.pipeline({ ...where, appId });
    const mints = () =>
      github.requests({ method: 'POST', path: new RegExp(`^/app/installations/${installation.id}/access_tokens$`) });
    return {
      githubAppId: app.id,
      installation,
      theirs,
      installationId,
      repositoryId,
      integrationId,
      appId,
      pipelineId,
      mints,
    };
  }

  type Project = Awaited<ReturnType<typeof project>>;

  async function build(of: Project, changes: { status?: 'queued' | 'blocked'; fork?: boolean } = {}): Promise<string> {
    const { orgId, projectId, appId, pipelineId, integrationId, repositoryId } = of;
    return database.write(async (trx) => {
      const pipeline = await pipelinesIn(trx, everything).find(pipelineId);
      if (!pipeline) throw new Error('The pipeline is not there');
      const made = await createBuild(trx, {
        orgId,
        projectId,
        appId,
        pipeline,
        integrationId,
        repositoryId,
        event: 'push',
        ref: 'refs/heads/main',
        refName: 'main',
        sha: '0123456789abcdef0123456789abcdef01234567',
        dispatchRef: 'main',
        fairleadRef: 'refs/heads/main',
        fork: false,
        createdBy: 'system',
        status: 'queued',
        ...changes,
      });
      return made.id;
    });
  }

  async function client(where: { orgId: string; projectId?: string }) {
    return api.as((await addToken(database, where)).secret);
  }

  /** What the worker does with the tokens that are to be revoked, until nothing is left. */
  async function revokeAll(): Promise<void> {
    const due = await database.reader('commands').where({ workflow: 'revokeToken', status: 'pending' });
    for (const { id, input } of due) {
      await leases.revokeMintedToken(JSON.parse(input));
      await database.write((trx) => trx('commands').where({ id }).update({ status: 'done' }));
    }
  }

  /** Another repository of the same installation, which the integration reaches as well. */
  async function secondRepository({ installation, installationId, githubAppId }: Project): Promise<string> {
    const theirs = github.addRepository(installation, {});
    return rows.repository(
      { githubAppId, installationId, externalId: theirs.id },
      { owner: theirs.owner, name: theirs.name, full_name: theirs.fullName },
    );
  }

  /** What the account has granted, at GitHub and here. */
  async function grant(of: Project, permissions: Record<string, string>): Promise<void> {
    of.installation.permissions = permissions;
    const known = { permissions: JSON.stringify(permissions) };
    await database.write((trx) => trx('installations').where({ id: of.installationId }).update(known));
  }

  return {
    api,
    database,
    github,
    rows,
    exchange,
    leases,
    project,
    grant,
    secondRepository,
    connected,
    build,
    client,
    revokeAll,
    /** Whether GitHub still takes it. */
    isAlive: (token: string) => github.state.tokens.get(token)?.revoked === false,
    async stop() {
      await api.stop();
      await github.close();
    },
  };
}

export type ExchangeScene = Awaited<ReturnType<typeof exchangeScene>>;
export type SceneProject = Awaited<ReturnType<ExchangeScene['project']>>;
