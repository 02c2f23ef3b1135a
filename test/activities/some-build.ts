import { MockActivityEnvironment } from '@temporalio/testing';
import { buildActivities } from '../../activities/builds.ts';
import { dispatchActivities } from '../../activities/dispatch.ts';
import { withFailures } from '../../activities/failures.ts';
import type { ReachDeps } from '../../activities/reach.ts';
import { reportActivities } from '../../activities/reports.ts';
import { runActivities } from '../../activities/runs.ts';
import { type Build, buildsIn, createBuild, type NewBuild } from '../../db/builds.ts';
import type { Database } from '../../db/connection.ts';
import { dispatchesIn } from '../../db/dispatches.ts';
import type { Pipeline } from '../../db/pipelines.ts';
import { everything } from '../../db/tenant.ts';
import { newId } from '../../domain/ids.ts';
import { type Scripted, scriptedGitHub } from '../providers/github/scripted-github.ts';

export const sha = '0123456789abcdef0123456789abcdef01234567';

/** An org with everything that a build hangs on, as rows. */
export async function insertPlatform(database: Database, pipeline: Partial<Pipeline> = {}) {
  const now = Date.now();
  const times = { created_at: now, updated_at: now };
  const orgId = newId('org');
  const projectId = newId('prj');
  const githubAppId = newId('gha');
  const installationId = newId('ins');
  const repositoryId = newId('repo');
  const integrationId = newId('int');
  const appId = newId('app');
  const full: Pipeline = {
    id: newId('pip'),
    orgId,
    projectId,
    appId,
    name: 'deploy',
    enabled: true,
    events: ['push', 'manual'],
    branches: ['main'],
    tags: [],
    executor: 'github_actions',
    workflowFile: 'deploy.yml',
    inputs: { region: 'eu', fairlead_build: 'not this' },
    timeoutMinutes: 60,
    revision: 1,
    createdAt: now,
    updatedAt: now,
    ...pipeline,
  };
  await database.write(async (trx) => {
    await trx('orgs').insert({ id: orgId, name: 'Acme', revision: 1, ...times });
    await trx('projects').insert({ id: projectId, org_id: orgId, name: 'Shop', revision: 1, ...times });
    await trx('github_apps').insert({
      id: githubAppId,
      org_id: null,
      host_url: 'https://github.com',
      api_url: 'https://api.github.com',
      app_id: Math.floor(Math.random() * 1e9),
      slug: 'fairlead',
      name: 'Fairlead',
      ...times,
    });
    await trx('installations').insert({
      id: installationId,
      org_id: orgId,
      github_app_id: githubAppId,
      external_id: 1,
      account_login: 'acme',
      account_id: 2,
      target_type: 'Organization',
      repository_selection: 'all',
      permissions: '{}',
      events: '[]',
      ...times,
    });
    await trx('repositories').insert({
      id: repositoryId,
      github_app_id: githubAppId,
      installation_id: installationId,
      external_id: 3,
      owner: 'acme',
      name: 'shop',
      full_name: 'acme/shop',
      url: 'https://github.com/acme/shop',
      visibility: 'private',
      default_branch: 'main',
      archived: false,
      ...times,
    });
    await trx('integrations').insert({
      id: integrationId,
      org_id: orgId,
      project_id: projectId,
      owner_id: projectId,
      kind: 'github',
      host_url: 'https://github.com',
      auth_mode: 'github_app',
      status: 'active',
      display_name: 'acme',
      metadata: '{}',
      identity_key: newId('int'),
      github_app_id: githubAppId,
      created_by: 'operator',
      revision: 1,
      ...times,
    });
    await trx('bindings').insert({
      integration_id: integrationId,
      installation_id: installationId,
      owner_id: projectId,
      created_at: now,
    });
    await trx('apps').insert({
      id: appId,
      org_id: orgId,
      project_id: projectId,
      name: 'shop',
      source_integration_id: integrationId,
      source_repository_id: repositoryId,
      source_branch: 'main',
      auto_deploy: true,
      revision: 1,
      ...times,
    });
    await trx('pipelines').insert({
      id: full.id,
      org_id: orgId,
      project_id: projectId,
      app_id: appId,
      name: full.name,
      enabled: true,
      events: JSON.stringify(full.events),
      branches: JSON.stringify(full.branches),
      tags: JSON.stringify(full.tags),
      executor: full.executor,
      workflow_file: full.workflowFile,
      inputs: JSON.stringify(full.inputs),
      environment: full.environment ?? null,
      environment_url: full.environmentUrl ?? null,
      timeout_minutes: full.timeoutMinutes,
      revision: 1,
      ...times,
    });
  });
  return { orgId, projectId, appId, integrationId, repositoryId, pipeline: full };
}

export async function insertBuild(database: Database, options: Partial<NewBuild> & { on?: Partial<Pipeline> } = {}) {
  const { on, ...more } = options;
  const platform = await insertPlatform(database, on);
  return database.write((trx) =>
    createBuild(trx, {
      ...platform,
      event: 'push',
      ref: 'refs/heads/main',
      refName: 'main',
      sha,
      dispatchRef: 'main',
      fairleadRef: 'refs/heads/main',
      fork: false,
      createdBy: 'system',
      status: 'queued',
      ...more,
    }),
  );
}

/** What the database says of a build now. */
export async function stateOf(database: Database, { id }: Build) {
  const build = await buildsIn(database.reader, everything).find(id);
  const dispatch = await dispatchesIn(database.reader).find(id);
  if (!build) throw new Error('no such build');
  return { status: build.status, reason: build.reason, runId: build.runId, dispatch: dispatch?.state, build };
}

/** The activities beside a GitHub that gives these answers, in order. The broker hands out one fixed token. */
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

/** The activities of a build, called as a worker would. */
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
