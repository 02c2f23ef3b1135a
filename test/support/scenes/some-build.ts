import { MockActivityEnvironment } from '@temporalio/testing';
import { buildActivities } from '../../../activities/builds/builds.ts';
import { dispatchActivities } from '../../../activities/builds/dispatch.ts';
import type { ReachDeps } from '../../../activities/builds/reach.ts';
import { reportActivities } from '../../../activities/builds/reports.ts';
import { runActivities } from '../../../activities/builds/runs.ts';
import { withFailures } from '../../../activities/failures.ts';
import { allBuilds, type Build, type NewBuild } from '../../../db/builds/builds.ts';
import { dispatchesIn } from '../../../db/builds/dispatches.ts';
import type { Database } from '../../../db/store/connection.ts';
import type { PipelineRow } from '../../../db/store/tables.ts';
import { type Scripted, scriptedGitHub } from '../fakes/scripted-github.ts';
import { world } from './world.ts';

/** An app of the repository `acme/shop`, with a pipeline. */
export async function insertPlatform(database: Database, pipeline: Partial<PipelineRow> = {}) {
  const shop = { id: 3, owner: 'acme', name: 'shop', fullName: 'acme/shop' };
  const of = await world(database, {
    theirs: { installation: { id: 1 }, repository: shop },
    installation: { account_login: 'acme', account_id: 2 },
    repository: { url: 'https://github.com/acme/shop' },
    app: { name: 'shop' },
  });
  const pipelineId = await of.newPipeline({
    events: '["push", "manual"]',
    branches: '["main"]',
    tags: '[]',
    inputs: JSON.stringify({ region: 'eu', fairlead_build: 'not this' }),
    ...pipeline,
  });
  return { ...of, pipelineId };
}

export async function insertBuild(database: Database, options: Partial<NewBuild> & { on?: Partial<PipelineRow> } = {}) {
  const { on, ...changes } = options;
  const { newBuild, pipelineId } = await insertPlatform(database, on);
  return newBuild(changes, pipelineId);
}

/** Returns the build's present row. */
export async function stateOf(database: Database, { id }: Build) {
  const build = await allBuilds(database.reader).find(id);
  const dispatch = await dispatchesIn(database.reader).find(id);
  if (!build) throw new Error('no such build');
  return { status: build.status, reason: build.reason, runId: build.runId, dispatch: dispatch?.state, build };
}

/** The activities with a GitHub that returns these answers in order. The broker returns one fixed token. */
export async function activitiesAgainst(
  database: Database,
  answers: Scripted[],
  options: Parameters<typeof scriptedGitHub>[1] = {},
) {
  const { github, seen } = await scriptedGitHub(answers, options);
  const run = buildSteps({
    database,
    broker: {
      forRepository: async () => ({
        github: github.withToken(`ghs_${'a'.repeat(36)}`),
        fullName: 'acme/shop',
        externalId: 3,
        defaultBranch: 'main',
      }),
    },
  });
  return { run, seen };
}

/** Returns the activities of a build, called as a worker calls them. */
export function buildSteps(deps: ReachDeps) {
  const activities = withFailures({
    ...buildActivities(deps),
    ...dispatchActivities(deps),
    ...runActivities(deps),
    ...reportActivities(deps),
  });
  type Steps = typeof activities;
  return function run<Name extends keyof Steps>(
    name: Name,
    input: Parameters<Steps[Name]>[0],
  ): Promise<Awaited<ReturnType<Steps[Name]>>> {
    const activity = activities[name] as (input: unknown) => Promise<Awaited<ReturnType<Steps[Name]>>>;
    return new MockActivityEnvironment().run(activity, input);
  };
}
