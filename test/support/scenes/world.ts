import { randomUUID } from 'node:crypto';
import { type Build, createBuild, type NewBuild } from '../../../db/builds/builds.ts';
import { allPipelines } from '../../../db/builds/pipelines.ts';
import type { Database } from '../../../db/store/connection.ts';
import type { AppRow, InstallationRow, IntegrationRow, PipelineRow, RepositoryRow } from '../../../db/store/tables.ts';
import type { Repository } from '../../../stand-ins/github/stand-in.ts';
import { seed } from './seed.ts';

/** The commit of a build, unless the test or the stand-in for GitHub gives another. */
export const sha = '0123456789abcdef0123456789abcdef01234567';

// The stand-in for GitHub counts its own numbers from 1,000: these must never meet them.
let lastNumber = 50_000_000;
const nextNumber = () => ++lastNumber;

/** What a test gives instead of the defaults. */
type Given = {
  /** An existing organization and its project. */
  owner?: Record<'orgId' | 'projectId', string>;
  /** An existing GitHub App, for a new installation with a new repository. */
  githubAppId?: string;
  /** An existing installation and repository, such as those of another world. */
  on?: Record<'githubAppId' | 'installationId' | 'repositoryId', string> | undefined;
  /** What GitHub has: the rows take their numbers and names from there, and a build the head of `main`. */
  theirs?: { installation: { id: number }; repository: Pick<Repository, 'id'> & Partial<Repository> };
  /** Columns that differ from the defaults of `seed`. */
  installation?: Partial<InstallationRow>;
  repository?: Partial<RepositoryRow>;
  integration?: Partial<IntegrationRow>;
  app?: Partial<AppRow>;
};

/**
 * All rows that a build needs: an organization with a project, a GitHub App with an installation and a repository, the
 * project's integration on it, and an app with that source.
 */
export async function world(database: Database, given: Given = {}) {
  const rows = seed(database);
  const { orgId, projectId } = given.owner ?? (await rows.org());
  const mine = { orgId, projectId };
  const { githubAppId, installationId, repositoryId } = given.on ?? (await newSource());
  const integrationId = await rows.integration({ ...mine, githubAppId, installationId }, given.integration);
  const appId = await rows.app({ ...mine, integrationId, repositoryId }, given.app);

  async function newSource() {
    const { installation, repository } = given.theirs ?? {};
    const githubAppId = given.githubAppId ?? (await rows.githubApp(nextNumber()));
    const installationId = await rows.installation(githubAppId, installation?.id ?? nextNumber(), given.installation);
    const repositoryId = await rows.repository(
      { githubAppId, installationId, externalId: repository?.id ?? nextNumber() },
      { ...namesOf(repository), ...given.repository },
    );
    return { githubAppId, installationId, repositoryId };
  }

  async function externalId(table: 'installations' | 'repositories', id: string): Promise<number> {
    const row = await database.reader(table).where({ id }).first();
    if (!row) throw new Error(`There is no ${id}`);
    return row.external_id;
  }

  /** Returns the id of one more pipeline of the app. */
  const newPipeline = (changes: Partial<PipelineRow> = {}): Promise<string> =>
    rows.pipeline({ ...mine, appId }, changes);

  /** Makes a build of the pipeline with this id, or of a new pipeline with these columns. */
  async function newBuild(
    changes: Partial<NewBuild> = {},
    pipeline: string | Partial<PipelineRow> = {},
  ): Promise<Build> {
    const build: NewBuild = {
      ...mine,
      appId,
      integrationId,
      repositoryId,
      pipeline: changes.pipeline ?? (await pipelineOf(pipeline)),
      event: 'push',
      ref: 'refs/heads/main',
      refName: 'main',
      sha: given.theirs?.repository.branches?.get('main') ?? sha,
      dispatchRef: 'refs/heads/main',
      fairleadRef: 'refs/heads/main',
      fork: false,
      createdBy: 'system',
      status: 'queued',
      ...changes,
    };
    return database.write((trx) => createBuild(trx, build));
  }

  async function pipelineOf(pipeline: string | Partial<PipelineRow>): Promise<NewBuild['pipeline']> {
    const name = randomUUID().slice(0, 8);
    const id = typeof pipeline === 'string' ? pipeline : await newPipeline({ name, ...pipeline });
    const found = await allPipelines(database.reader).find(id);
    if (!found) throw new Error('The pipeline is not there');
    return found;
  }

  return {
    ...mine,
    githubAppId,
    installationId,
    repositoryId,
    integrationId,
    appId,
    /** GitHub's numbers of the installation and of the repository. */
    installation: await externalId('installations', installationId),
    repository: await externalId('repositories', repositoryId),
    newPipeline,
    newBuild,
  };
}

function namesOf({ owner, name, fullName }: Partial<Repository> = {}): Partial<RepositoryRow> {
  return owner && name && fullName ? { owner, name, full_name: fullName } : {};
}

export type World = Awaited<ReturnType<typeof world>>;
