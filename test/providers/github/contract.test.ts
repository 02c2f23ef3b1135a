import { expect, onTestFinished, test } from 'vitest';
import { parseAllowedHosts } from '../../../domain/connect/allowed-hosts.ts';
import { githubHost } from '../../../domain/github/github-host.ts';
import { createGuardedFetch } from '../../../providers/egress/guarded-fetch.ts';
import { createGitHub } from '../../../providers/github/github.ts';
import { startGitHub } from '../../support/github.ts';
import { workflowFile } from '../../support/scenes/platform.ts';

test.each(['github.com', 'ghe.com', 'ghes'] as const)('sends %s only what its API allows', async (flavour) => {
  const standIn = await startGitHub({ flavour });
  onTestFinished(() => standIn.close());
  const app = standIn.addApp();
  const installation = standIn.addInstallation(app);
  const path = '.github/workflows/deploy.yml';
  const repository = standIn.addRepository(installation, { workflows: { [path]: workflowFile } });
  const github = createGitHub({
    host: flavour === 'ghes' ? githubHost(standIn.url) : githubHost(standIn.url, standIn.apiUrl),
    fetch: createGuardedFetch({
      allowedHosts: parseAllowedHosts(`${standIn.url} ${new URL(standIn.apiUrl).origin}`),
      timeoutMs: 5000,
      maxBytes: 1_000_000,
    }),
    userAgent: 'fairlead-test',
    timeoutMs: 5000,
    now: Date.now,
  });

  const asApp = github.asApp({ appId: app.appId, privateKey: app.privateKey });
  expect((await asApp.listInstallations()).installations).toMatchObject([{ id: installation.id }]);
  expect(await asApp.getInstallation(installation.id)).toMatchObject({ id: installation.id });
  const permissions = { actions: 'write', contents: 'read', statuses: 'write', deployments: 'write' };
  const { token } = await asApp.mintToken({
    installationId: installation.id,
    repositoryIds: [repository.id],
    permissions,
  });
  const spoken = github.withToken(token);
  const { fullName } = repository;
  expect((await spoken.listRepositories()).repositories).toMatchObject([{ id: repository.id }]);
  expect(await spoken.getRepositoryById(repository.id)).toMatchObject({ fullName });
  expect((await spoken.listBranches(fullName)).branches).toHaveLength(1);
  expect((await spoken.listBranches(fullName, { q: 'ma' })).branches).toHaveLength(1);
  const branch = await spoken.getBranch(fullName, 'main');
  expect(await spoken.getWorkflow(fullName, 'deploy.yml')).toMatchObject({ path });
  expect(await spoken.readFile(fullName, path, 'main')).toBe(workflowFile);

  const inputs = { fairlead_build: 'bld_1', fairlead_sha: branch?.sha ?? '', fairlead_ref: 'refs/heads/main' };
  const createdAfter = Date.now() - 60_000;
  const dispatched = await spoken.dispatchWorkflow({ fullName, workflow: 'deploy.yml', ref: 'main', inputs });
  expect('runId' in dispatched).toBe(flavour !== 'ghes');
  const event = 'workflow_dispatch';
  const { runs } = await spoken.listRuns({ fullName, workflow: 'deploy.yml', event, createdAfter });
  expect(runs).toMatchObject([{ displayTitle: 'Build bld_1', attempt: 1, headBranch: 'main' }]);
  const runId = runs[0]?.id ?? 0;
  expect(await spoken.getRun(fullName, runId)).toMatchObject({ status: 'queued' });
  expect((await spoken.listRuns({ fullName })).runs).toHaveLength(1);
  expect(await spoken.cancelRun(fullName, runId)).toMatchObject({ accepted: true });
  expect(await spoken.cancelRun(fullName, runId)).toMatchObject({ accepted: false, run: { conclusion: 'cancelled' } });
  await spoken.rerun(fullName, runId);
  expect(await spoken.getRun(fullName, runId)).toMatchObject({ status: 'queued', attempt: 2 });

  const sha = branch?.sha ?? '';
  const targetUrl = 'https://fairlead.example/builds/1';
  await spoken.createStatus({ fullName, sha, state: 'pending', context: 'fairlead', description: 'x', targetUrl });
  const environment = 'production';
  const deployment = { fullName, ref: sha, environment, payload: { build: 'bld_1' } };
  const { id: deploymentId } = await spoken.createDeployment(deployment);
  await spoken.createDeploymentStatus({ fullName, deploymentId, state: 'success', logUrl: targetUrl });
  expect(await spoken.listDeployments({ fullName, sha, environment })).toHaveLength(1);
  await spoken.revokeToken();
  await asApp.deleteInstallation(installation.id);

  expect(standIn.violations).toEqual([]);
  expect(standIn.state.installations.size).toBe(0);
});
