import { leaseActivities } from '../../../activities/exchange/leases.ts';
import { createGitTokens } from '../../../broker/exchange/git-tokens.ts';
import { githubAppPermissions } from '../../../domain/github/github-permissions.ts';
import { startApi } from '../api.ts';
import { openTestDatabase } from '../database.ts';
import { startGitHub } from '../github.ts';
import { keyring } from '../hooks.ts';
import { addOperatorApp, brokerTo } from './operator-app.ts';
import { seed } from './seed.ts';
import { addOrg, addProject, addToken } from './tenants.ts';
import { sha, world } from './world.ts';

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

/** The API on a stand-in for GitHub, with callers that ask for tokens. */
export async function exchangeScene() {
  const [database, github] = await Promise.all([openTestDatabase(), startGitHub()]);
  const rows = seed(database);
  const app = await addOperatorApp(database, github);
  const broker = brokerTo(database, github);
  const gitTokens = createGitTokens({ database, keyring, broker });
  const api = await startApi({ database, gitTokens });
  const leases = leaseActivities({ database, keyring, broker });

  /** A project with an integration that reaches a repository, and an app and a pipeline for it. */
  async function project(org?: string) {
    const orgId = org ?? (await addOrg(database));
    const projectId = await addProject(database, orgId);
    return connected({ orgId, projectId });
  }

  /** Another connection of the project: to a separate installation, or to this one. */
  async function connected(
    owner: { orgId: string; projectId: string },
    on?: { githubAppId: string; installationId: string; repositoryId: string },
  ) {
    const installation = github.addInstallation(app.theirs, { permissions: { ...githubAppPermissions } });
    const theirs = github.addRepository(installation, {});
    const made = await world(database, {
      owner,
      githubAppId: app.id,
      on,
      theirs: { installation, repository: theirs },
      installation: { permissions: JSON.stringify(installation.permissions) },
    });
    const mints = () =>
      github.requests({ method: 'POST', path: new RegExp(`^/app/installations/${installation.id}/access_tokens$`) });
    return { ...made, installation, theirs, pipelineId: await made.newPipeline(), mints };
  }

  type Project = Awaited<ReturnType<typeof project>>;

  async function build(of: Project, changes: { status?: 'queued' | 'blocked'; fork?: boolean } = {}): Promise<string> {
    return (await of.newBuild({ sha, ...changes }, of.pipelineId)).id;
  }

  async function client(where: { orgId: string; projectId?: string }) {
    return api.as((await addToken(database, where)).secret);
  }

  /** Revokes the waiting tokens as the worker does, until none is left. */
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

  /** Sets the permissions that the account has granted, at GitHub and here. */
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
    gitTokens,
    leases,
    project,
    grant,
    secondRepository,
    connected,
    build,
    client,
    revokeAll,
    /** Whether GitHub still accepts the token. */
    isAlive: (token: string) => github.state.tokens.get(token)?.revoked === false,
    async stop() {
      await api.stop();
      await github.close();
    },
  };
}

export type ExchangeScene = Awaited<ReturnType<typeof exchangeScene>>;
export type SceneProject = Awaited<ReturnType<ExchangeScene['project']>>;
