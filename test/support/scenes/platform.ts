import { expect, vi } from 'vitest';
import type { Answer, Client } from '../client.ts';

export type BuildView = {
  id: string;
  status: string;
  reason: string | null;
  sha: string;
  run_id: number | null;
  pipeline_id: string;
};

export type Platform = { projectId: string; integrationId: string; appId: string; pipelineId: string };

/**
 * Does what a platform team does by hand: binds an installation, creates an app from one repository, and a pipeline.
 */
export async function setUpPlatform(
  client: Client,
  github: { installationId: number; repositoryId: number },
  pipeline: Record<string, unknown> = {},
): Promise<Platform> {
  const [project] = await client.ask<{ id: string }[]>('GET', '/v1/projects');
  const projectId = project?.id ?? '';
  // The installation is known once the first sync has ended.
  const { id: integrationId } = await vi.waitFor(
    () =>
      client.ask<{ id: string }>('POST', '/v1/integrations', {
        provider: 'github',
        installation_id: github.installationId,
        project_id: projectId,
      }),
    { timeout: 30_000, interval: 300 },
  );
  const made = await setUpApp(client, { projectId, integrationId, repositoryId: github.repositoryId }, pipeline);
  return { projectId, integrationId, ...made };
}

/** An app from one repository of the integration, and a pipeline. */
export async function setUpApp(
  client: Client,
  where: { projectId: string; integrationId: string; repositoryId: number },
  pipeline: Record<string, unknown> = {},
): Promise<{ appId: string; pipelineId: string }> {
  const { projectId, integrationId, repositoryId } = where;
  const app = await client.ask<{ id: string }>('POST', `/v1/projects/${projectId}/apps`, { name: 'shop' });
  await vi.waitFor(
    async () => {
      const body = { integration_id: integrationId, repository_id: repositoryId, branch: 'main' };
      expect((await client.send('PUT', `/v1/apps/${app.id}/source`, body)).status).toBe(200);
    },
    { timeout: 30_000, interval: 300 },
  );
  const made = await client.ask<{ id: string }>('POST', `/v1/apps/${app.id}/pipelines`, {
    name: 'deploy',
    events: ['push', 'manual'],
    branches: ['**'],
    workflow_file: 'deploy.yml',
    ...pipeline,
  });
  return { appId: app.id, pipelineId: made.id };
}

export async function listBuilds(client: Client, query = ''): Promise<BuildView[]> {
  return client.ask<BuildView[]>('GET', `/v1/builds?limit=200${query}`);
}

/** The workflow file that the README shows. */
export const workflowFile = `name: deploy
run-name: Build \${{ inputs.fairlead_build }}
on:
  workflow_dispatch:
    inputs:
      fairlead_build: { description: Build id, required: true, type: string }
      fairlead_sha: { description: Commit, required: true, type: string }
      fairlead_ref: { description: Ref, required: true, type: string }
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - run: echo ok
`;

/** Returns every build, page by page. */
export async function allBuilds(client: Client): Promise<BuildView[]> {
  const all: BuildView[] = [];
  for (let path: string | undefined = '/v1/builds?limit=200'; path; ) {
    const answer: Answer<BuildView[]> = await client.send<BuildView[]>('GET', path);
    all.push(...answer.body);
    path = /<(?:https?:\/\/[^/]+)?([^>]+)>; rel="next"/.exec(answer.headers.get('link') ?? '')?.[1];
  }
  return all;
}
