import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { startGitHub } from '../../stand-ins/github/stand-in.ts';
import { freePort, runFairlead } from '../../test/support/programs/processes.ts';

import type { Ids } from './live-document.ts';

type Item = { id: string };

const workflowFile = `name: deploy
on:
  workflow_dispatch:
    inputs:
      fairlead_build: { type: string }
      fairlead_sha: { type: string }
      fairlead_ref: { type: string }
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - run: echo ok
`;

type Github = { installationId: number; repositoryId: number };

/**
 * Creates a resource of each kind over the API. Returns their ids, and those of `spare` ones that a run may delete.
 */
async function createResources(url: string, token: string, github: Github): Promise<{ ids: Ids; spare: Ids }> {
  const ask = createAsk(url, token);
  const [org] = await ask<Item[]>('GET', '/v1/orgs');
  const [project] = await ask<Item[]>('GET', '/v1/projects');
  const owner = { project_id: project?.id };
  const integration = await ask('POST', '/v1/integrations', {
    provider: 'github',
    installation_id: github.installationId,
    ...owner,
  });
  const apps = `/v1/projects/${project?.id}/apps`;
  const app = await ask('POST', apps, { name: 'shop' });
  const source = { integration_id: integration.id, repository_id: github.repositoryId, branch: 'main' };
  await ask('PUT', `/v1/apps/${app.id}/source`, source);
  const [repository] = await ask<Item[]>('GET', `/v1/integrations/${integration.id}/repositories`);
  const pipeline = { name: 'deploy', events: ['push', 'manual'], workflow_file: 'deploy.yml' };
  const { id: pipelineId } = await ask('POST', `/v1/apps/${app.id}/pipelines`, pipeline);
  const build = await ask('POST', `/v1/pipelines/${pipelineId}/builds`, { ref: 'main' });
  const exchange = `/v1/projects/${project?.id}/credentials/exchange`;
  const { lease_id: lease } = await ask<{ lease_id: string }>('POST', exchange, { app_id: app.id, purpose: 'clone' });
  const [account, spareAccount] = [
    await ask('POST', '/v1/cloud-accounts', cloudAccount(owner)),
    await ask('POST', '/v1/cloud-accounts', cloudAccount(owner)),
  ];
  const tokenOf = (name: string) => ask('POST', '/v1/tokens', { org_id: org?.id, name, scopes: ['builds:read'] });
  const flow = () => ask<{ flow_id: string }>('POST', '/v1/integrations/github/start', owner);
  const registry = await ask('POST', '/v1/integrations', {
    ...{ provider: 'oci', registry: 'registry.example.com', ...owner },
    credentials: { username: 'robot', password: randomBytes(20).toString('hex') },
  });
  return {
    ids: byPrefix(
      ...[org?.id, project?.id, integration.id, repository?.id, app.id, pipelineId, build.id, lease, account.id],
      ...[(await tokenOf('ci')).id, (await flow()).flow_id],
    ),
    spare: byPrefix(
      (await ask('POST', '/v1/orgs', { name: 'Spare' })).id,
      (await ask('POST', '/v1/projects', { org_id: org?.id, name: 'spare' })).id,
      (await ask('POST', apps, { name: 'spare' })).id,
      (await ask('POST', `/v1/apps/${app.id}/pipelines`, { ...pipeline, name: 'spare' })).id,
      ...[registry.id, spareAccount.id, (await tokenOf('spare')).id, (await flow()).flow_id],
    ),
  };
}

function cloudAccount(owner: object) {
  return {
    ...{ ...owner, kind: 'aws', auth_mode: 'access_key', display_name: 'AWS' },
    config: { access_key_id: 'AKIAIOSFODNN7EXAMPLE', account_id: '123456789012' },
    credentials: { secret_access_key: randomBytes(30).toString('base64') },
  };
}

function byPrefix(...ids: (string | undefined)[]): Ids {
  return Object.fromEntries(ids.map((id = '') => [id.split('_')[0], id]));
}

function createAsk(url: string, token: string) {
  return async function ask<Body = Item>(method: string, path: string, body?: unknown): Promise<Body> {
    // Fairlead knows GitHub's installations and repositories soon after the start.
    const deadline = Date.now() + 30_000;
    for (;;) {
      const response = await fetch(url + path, {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      if (response.ok) return JSON.parse(text) as Body;
      if (Date.now() > deadline) throw new Error(`${method} ${path}: ${response.status} ${text}`);
      await sleep(250);
    }
  };
}

/** Starts the product as a user does, beside a simulated GitHub. The product reaches nothing else. */
export async function startWorld() {
  const folder = mkdtempSync(path.join(tmpdir(), 'fairlead-conformance-'));
  const [port, metricsPort] = [await freePort(), await freePort()];
  const [temporalPort, uiPort] = [await freePort(), await freePort()];
  const [url, token] = [`http://127.0.0.1:${port}`, randomBytes(24).toString('base64url')];
  const github = Object.assign(await startGitHub(), { autoRuns: true });
  const app = github.addApp({ hookUrl: `${url}/v1/webhooks/github` });
  const installation = github.addInstallation(app);
  const workflows = { '.github/workflows/deploy.yml': workflowFile };
  const repository = github.addRepository(installation, { defaultBranch: 'main', workflows });
  const product = runFairlead('start.ts', {
    NODE_OPTIONS: `--import=${pathToFileURL(path.join(import.meta.dirname, 'no-outside.mjs'))}`,
    FAIRLEAD_PORT: String(port),
    FAIRLEAD_METRICS_PORT: String(metricsPort),
    FAIRLEAD_DATA_DIR: folder,
    FAIRLEAD_TEMPORAL_PORT: String(temporalPort),
    FAIRLEAD_TEMPORAL_UI_PORT: String(uiPort),
    FAIRLEAD_ADMIN_TOKEN: token,
    // The rate limits have their own tests. Here they would hide every other response.
    FAIRLEAD_CALLER_REQUESTS_PER_MINUTE: '0',
    FAIRLEAD_PUBLIC_REQUESTS_PER_MINUTE: '0',
    FAIRLEAD_FAILURES_PER_MINUTE: '0',
    FAIRLEAD_LOG_LEVEL: 'error',
    GITHUB_APP_ID: String(app.appId),
    GITHUB_APP_SLUG: app.slug,
    GITHUB_APP_PRIVATE_KEY: app.privateKey,
    GITHUB_APP_WEBHOOK_SECRET: app.webhookSecret,
    GITHUB_HOST_URL: github.url,
    GITHUB_API_URL: github.apiUrl,
  });
  async function stop(): Promise<void> {
    await product.end('SIGTERM');
    await github.close();
    rmSync(folder, { recursive: true, force: true });
  }
  try {
    await product.line(/Fairlead is ready/, 120_000);
    const resources = await createResources(url, token, {
      installationId: installation.id,
      repositoryId: repository.id,
    });
    return {
      url,
      metricsUrl: `http://127.0.0.1:${metricsPort}/metrics`,
      token,
      ...resources,
      output: product.output,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
