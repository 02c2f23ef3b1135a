import { expect } from 'vitest';
import type { Client } from './client.ts';

export type BuildView = {
  id: string;
  status: string;
  reason: string | null;
  sha: string;
  run_id: number | null;
  pipeline_id: string;
};

export type Platform = { projectId: string; integrationId: string; appId: string; pipelineId: string };

/** What a platform team does by hand: binds an installation, makes an app from one repository, and a pipeline. */
export async function setUpPlatform(
  client: Client,
  github: { installationId: number; repositoryId: number },
  pipeline: Record<string, unknown> = {},
): Promise<Platform> {
  const [project] = await client.ask<{ id: string }[]>('GET', '/v1/projects');
  const projectId = project?.id ?? '';
  // The installation is known once the first sync is through.
  let integration: { id: string } | undefined;
  await expect
    .poll(
      async () => {
        const body = { provider: 'github', installation_id: github.installationId, project_id: projectId };
        const answer = await client.send<{ id: string }>('POST', '/v1/integrations', body);
        integration = answer.status === 201 ? answer.body : undefined;
        return answer.status === 201 ? 'bound' : JSON.stringify(answer.body);
      },
      { timeout: 30_000, interval: 300 },
    )
    .toBe('bound');
  const integrationId = integration?.id ?? '';
  const app = await client.ask<{ id: string }>('POST', `/v1/projects/${projectId}/apps`, { name: 'shop' });
  await expect
    .poll(
      async () => {
        const body = { integration_id: integrationId, repository_id: github.repositoryId, branch: 'main' };
        return (await client.send('PUT', `/v1/apps/${app.id}/source`, body)).status;
      },
      { timeout: 30_000, interval: 300 },
    )
    .toBe(200);
  const made = await client.ask<{ id: string }>('POST', `/v1/apps/${app.id}/pipelines`, {
    name: 'deploy',
    events: ['push', 'manual'],
    branches: ['**'],
    workflow_file: 'deploy.yml',
    ...pipeline,
  });
  return { projectId, integrationId, appId: app.id, pipelineId: made.id };
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
