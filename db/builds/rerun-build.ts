import type { rerunObstacles } from '../../domain/builds/build-reasons.ts';
import { isFinalBuildStatus } from '../../domain/builds/build-status.ts';
import { isDeleted, usableIntegrations } from '../integrations/usable-integrations.ts';
import type { Db } from '../store/connection.ts';
import { hold, locked } from '../store/locks.ts';
import { type App, allApps } from './apps.ts';
import { type Build, toBuild } from './build-row.ts';
import { createBuild } from './builds.ts';
import { allPipelines } from './pipelines.ts';

/** The reason why a build cannot be rerun, through the API or at GitHub. */
export type RerunObstacle = (typeof rerunObstacles)[number];

type Through = Pick<Build, 'integrationId' | 'repositoryId'>;

/**
 * Creates another build of the same commit with the pipeline as it was then. The pipeline must still exist and be
 * enabled, and its project must be allowed to use the integration.
 */
export async function rerunBuild(
  trx: Db,
  source: Build,
  { createdBy, deliveryId }: { createdBy: string; deliveryId?: string },
): Promise<{ build: Build } | { obstacle: RerunObstacle }> {
  const app = await allApps(trx).find(source.appId);
  const through = await sourceNow(trx, source, app);
  const obstacle = await obstacleOf(trx, source, app, through);
  if (obstacle) return { obstacle };
  const build = await createBuild(trx, {
    ...source,
    ...through,
    rerunOf: source.id,
    createdBy,
    deliveryId,
    detail: undefined,
    ...blockedIfFork(source),
  });
  return { build };
}

async function obstacleOf(
  trx: Db,
  { status, pipeline: { id: pipelineId }, projectId }: Build,
  app: App | undefined,
  { integrationId }: Through,
): Promise<RerunObstacle | undefined> {
  if (!isFinalBuildStatus(status)) return 'build_not_over';
  const pipeline = await allPipelines(trx).find(pipelineId);
  if (!pipeline) return 'pipeline_deleted';
  if (!app) return 'app_deleted';
  if (!pipeline.enabled) return 'pipeline_disabled';
  // The new build reports this, and fails at once.
  if (await isDeleted(trx, integrationId)) return undefined;
  return (await usableIntegrations(trx, projectId).includes(integrationId)) ? undefined : 'integration_not_granted';
}

/** Uses the app's current integration, if its repository is the same one at the host. */
async function sourceNow(trx: Db, build: Build, app: App | undefined): Promise<Through> {
  const { integrationId, repositoryId } = build;
  const source = app?.source;
  if (!source || source.integrationId === integrationId) return { integrationId, repositoryId };
  const [before, now] = await Promise.all([identityOf(trx, repositoryId), identityOf(trx, source.repositoryId)]);
  return before === undefined || before !== now
    ? { integrationId, repositoryId }
    : { integrationId: source.integrationId, repositoryId: source.repositoryId };
}

/**
 * Returns what identifies a repository at its host. Two Apps of one host have separate rows for the same repository.
 */
async function identityOf(db: Db, repositoryId: string): Promise<string | undefined> {
  const row: { external_id: number; host_url: string } | undefined = await db('repositories')
    .join('github_apps', 'github_apps.id', 'repositories.github_app_id')
    .where('repositories.id', repositoryId)
    .first('repositories.external_id', 'github_apps.host_url');
  return row && `${row.host_url} ${row.external_id}`;
}

/** Blocks a rerun of unapproved code. */
function blockedIfFork({ fork }: Build) {
  return fork
    ? { status: 'blocked' as const, reason: 'fork_pull_request' }
    : { status: 'queued' as const, reason: undefined };
}

/** Reads a commit's builds across pipelines, for the relay, which knows the repository by its ID. */
export function commitBuilds(trx: Db) {
  return {
    /**
     * Returns the latest build of each pipeline, which GitHub shows, and locks the commit's builds. If two callers ask
     * at once, the second sees the builds that the first has added.
     */
    async lockLatest(repositoryId: string, sha: string): Promise<Build[]> {
      const ofCommit = () => trx('builds').where({ repository_id: repositoryId, sha });
      await hold(locked(ofCommit().orderBy('id').select('id')));
      const newest = ofCommit().groupBy('pipeline_id').max('id');
      const rows = await trx('builds').whereIn('id', newest).orderBy('id');
      return rows.map(toBuild);
    },
  };
}
