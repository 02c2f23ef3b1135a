import { verify } from 'node:crypto';
import { expect, test } from 'vitest';
import { scriptedGitHub } from '../../support/fakes/scripted-github.ts';
import { rsaKeyPair } from '../../support/rsa-keys.ts';

const { privateKey, publicKey } = rsaKeyPair();
const token = 'ghs_0123456789abcdefABCDEF0123456789cnry';

const repository = {
  id: 1296269,
  owner: { login: 'acme' },
  name: 'web',
  full_name: 'acme/web',
  html_url: 'https://github.com/acme/web',
  private: true,
  visibility: 'internal',
  default_branch: 'main',
  archived: false,
};
const run = {
  id: 30433642,
  run_attempt: 2,
  display_title: 'build bld_1',
  status: 'completed',
  conclusion: 'success',
  head_sha: 'acb5820ced9479c074f688cc328bf03f341a511d',
  head_branch: 'main',
  html_url: 'https://github.com/acme/web/actions/runs/30433642',
  created_at: '2026-11-01T11:59:00Z',
};
const installation = {
  id: 5,
  app_id: 7,
  account: { id: 9, login: 'acme', type: 'Organization' },
  target_type: 'Organization',
  repository_selection: 'selected',
  permissions: { actions: 'write', metadata: 'read' },
  events: ['push'],
  suspended_at: '2026-11-01T00:00:00Z',
  html_url: 'https://github.com/organizations/acme/settings/installations/5',
};
const minted = {
  token,
  expires_at: '2026-11-01T13:00:00Z',
  permissions: { actions: 'write' },
  repository_selection: 'selected',
  repositories: [repository],
};

test('sends the API version, the media type and our name with every request', async () => {
  const { github, seen } = await scriptedGitHub([{ body: [] }]);

  await github.withToken(token).listDeployments({ fullName: 'acme/web', sha: 'abc', environment: 'production' });

  expect(seen[0]).toMatchObject({
    method: 'GET',
    path: '/repos/acme/web/deployments?per_page=100&environment=production&sha=abc',
    headers: {
      accept: 'application/vnd.github+json',
      'x-github-api-version': '2022-11-28',
      'user-agent': 'fairlead-test',
      authorization: `token ${token}`,
    },
  });
});

test.each([
  ['github.com', false, ''],
  ['an Enterprise Server', true, '/api/v3'],
])('mints a token of %s with one POST signed by the App', async (_, server, prefix) => {
  const { github, seen } = await scriptedGitHub([{ status: 201, body: minted }], { server });

  const result = await github.asApp({ appId: 7, privateKey: privateKey.replaceAll('\n', '\\n') }).mintToken({
    installationId: 5,
    repositoryIds: [1296269],
    permissions: { actions: 'write' },
  });

  expect(result).toEqual({
    token,
    expiresAt: Date.parse('2026-11-01T13:00:00Z'),
    permissions: { actions: 'write' },
    repositorySelection: 'selected',
    repositoryIds: [1296269],
  });
  expect(seen).toHaveLength(1);
  expect(seen[0]).toMatchObject({
    method: 'POST',
    path: `${prefix}/app/installations/5/access_tokens`,
    body: { repository_ids: [1296269], permissions: { actions: 'write' } },
    headers: { 'x-github-api-version': '2022-11-28' },
  });

  const [head = '', claims = '', signature = ''] = String(seen[0]?.headers['authorization']).slice(7).split('.');
  expect(verify('sha256', Buffer.from(`${head}.${claims}`), publicKey, Buffer.from(signature, 'base64url'))).toBe(true);
  expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({ iss: '7' });
});

test('keeps the tokens of two hosts with equal installation numbers apart, even at the same moment', async () => {
  const one = await scriptedGitHub([{ status: 201, body: { ...minted, token: 'ghs_one' } }], { server: true });
  const two = await scriptedGitHub([{ status: 201, body: { ...minted, token: 'ghs_two' } }], { server: true });

  const tokens = await Promise.all(
    [one, two].map(({ github }) => github.asApp({ appId: 7, privateKey }).mintToken({ installationId: 5 })),
  );

  expect(tokens.map(({ token }) => token)).toEqual(['ghs_one', 'ghs_two']);
});

test('corrects its clock once from the answer', async () => {
  const skewed = {
    status: 401,
    headers: { date: new Date(Date.parse('2026-11-01T12:00:00Z') - 900_000).toUTCString() },
    body: {
      message: "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
    },
  };
  const { github, seen } = await scriptedGitHub([skewed, { status: 201, body: minted }]);

  await github.asApp({ appId: 7, privateKey }).mintToken({ installationId: 5 });

  const issued = seen.map(({ headers }) => {
    const claims = String(headers['authorization']).split('.')[1] ?? '';
    return JSON.parse(Buffer.from(claims, 'base64url').toString()).iat as number;
  });
  expect((issued[0] ?? 0) - (issued[1] ?? 0)).toBeGreaterThan(890);
});

test('reads installations page by page, and returns undefined for a deleted one', async () => {
  const link = '<https://evil.example/app/installations?per_page=100&page=3>; rel="next", <x?page=9>; rel="last"';
  const { github, seen } = await scriptedGitHub([
    { headers: { link }, body: [installation, { ...installation, id: 6, account: null }] },
    { status: 404, body: { message: 'Not Found' } },
  ]);
  const app = github.asApp({ appId: 7, privateKey });

  expect(await app.listInstallations(2)).toEqual({
    installations: [
      {
        id: 5,
        appId: 7,
        account: { id: 9, login: 'acme', type: 'Organization' },
        repositorySelection: 'selected',
        permissions: { actions: 'write', metadata: 'read' },
        events: ['push'],
        suspendedAt: Date.parse('2026-11-01T00:00:00Z'),
        htmlUrl: installation.html_url,
      },
    ],
    unreadable: [6],
    next: 3,
  });
  expect(await app.getInstallation(5)).toBeUndefined();
  expect(seen[0]?.path).toBe('/app/installations?per_page=100&page=2');
});

test.each([202, 204, 404])('counts %i as a successful uninstallation', async (status) => {
  const { github } = await scriptedGitHub([{ status, body: status === 204 ? undefined : { message: 'x' } }]);

  await expect(github.asApp({ appId: 7, privateKey }).deleteInstallation(5)).resolves.toBe(status !== 404);
});

test.each([204, 401, 404])('counts %i as a successful revocation of a token', async (status) => {
  const { github, seen } = await scriptedGitHub([{ status, body: status === 204 ? undefined : { message: 'x' } }]);

  await expect(github.withToken(token).revokeToken()).resolves.toBeUndefined();
  expect(seen[0]).toMatchObject({ method: 'DELETE', path: '/installation/token' });
});

test('fails to revoke while GitHub is down', async () => {
  const { github } = await scriptedGitHub([{ status: 503, body: {} }]);

  await expect(github.withToken(token).revokeToken()).rejects.toMatchObject({ code: 'unavailable' });
});

test('finds repositories by their numeric id', async () => {
  const { github, seen } = await scriptedGitHub([
    { body: { total_count: 250, repositories: [repository, { ...repository, id: 2, visibility: undefined }] } },
    { body: repository },
    { status: 404, body: { message: 'Not Found' } },
  ]);
  const spoken = github.withToken(token);
  const expected = {
    id: 1296269,
    owner: 'acme',
    name: 'web',
    fullName: 'acme/web',
    url: 'https://github.com/acme/web',
    visibility: 'internal',
    defaultBranch: 'main',
    archived: false,
  };

  expect(await spoken.listRepositories(3)).toEqual({
    repositories: [expected, { ...expected, id: 2, visibility: 'private' }],
    totalCount: 250,
    next: undefined,
  });
  expect(await spoken.getRepositoryById(1296269)).toEqual(expected);
  expect(await spoken.getRepositoryById(3)).toBeUndefined();
  expect(seen.map(({ path }) => path)).toEqual([
    '/installation/repositories?per_page=100&page=3',
    '/repositories/1296269',
    '/repositories/3',
  ]);
});

test('does not read an unchanged page of repositories again', async () => {
  const etag = 'W/"0123456789abcdef"';
  const { github, seen } = await scriptedGitHub([
    { headers: { etag }, body: { total_count: 0, repositories: [] } },
    { status: 304 },
    { headers: { etag: '"a"b"' }, body: { total_count: 0, repositories: [] } },
    { body: { total_count: 'many', repositories: [] } },
  ]);
  const spoken = github.withToken(token);
  expect(await spoken.listRepositories()).toMatchObject({ etag, totalCount: 0 });
  expect(await spoken.listRepositoriesUnless(etag, 2)).toBeUndefined();
  expect(seen.map(({ path, headers }) => [path, headers['if-none-match']])).toEqual([
    ['/installation/repositories?per_page=100&page=1', undefined],
    ['/installation/repositories?per_page=100&page=2', etag],
  ]);
  // Invalid ETags are not sent back.
  expect((await spoken.listRepositoriesUnless(etag, 2))?.etag).toBeUndefined();
  await expect(spoken.listRepositories()).rejects.toMatchObject({ code: 'unexpected' });
});

test('reads branches page by page, or by the beginning of their names', async () => {
  const { github, seen } = await scriptedGitHub([
    { body: [{ name: 'main', commit: { sha: 'a1' } }] },
    { body: [{ ref: 'refs/heads/feat/x', object: { sha: 'b2' } }] },
    { body: { name: 'feat/x', commit: { sha: 'b2' } } },
  ]);
  const spoken = github.withToken(token);

  expect(await spoken.listBranches('acme/web')).toEqual({ branches: [{ name: 'main', sha: 'a1' }], next: undefined });
  expect(await spoken.listBranches('acme/web', { q: 'feat/' })).toMatchObject({
    branches: [{ name: 'feat/x', sha: 'b2' }],
  });
  expect(await spoken.getBranch('acme/web', 'feat/x')).toEqual({ name: 'feat/x', sha: 'b2' });
  expect(seen.map(({ path }) => path)).toEqual([
    '/repos/acme/web/branches?per_page=100&page=1',
    '/repos/acme/web/git/matching-refs/heads%2Ffeat%2F',
    '/repos/acme/web/branches/feat%2Fx',
  ]);
});

test('reads a file as text, and returns undefined for a folder or nothing', async () => {
  const content = Buffer.from('on: push # ü\n')
    .toString('base64')
    .replace(/(.{6})/g, '$1\n');
  const { github } = await scriptedGitHub([
    { body: { type: 'file', encoding: 'base64', content } },
    { body: [{ type: 'file' }] },
    { body: { type: 'file', encoding: 'none', content: '' } },
    { status: 404, body: { message: 'Not Found' } },
  ]);
  const read = () => github.withToken(token).readFile('acme/web', '.github/workflows/build.yml', 'main');

  expect(await read()).toBe('on: push # ü\n');
  expect([await read(), await read(), await read()]).toEqual([undefined, undefined, undefined]);
});

test('asks a dispatch for its run, and accepts 200 and 204', async () => {
  const dispatch = { fullName: 'acme/web', workflow: 'build.yml', ref: 'main', inputs: { fairlead_build: 'bld_1' } };
  const { github, seen } = await scriptedGitHub([
    { body: { workflow_run_id: 30433642, run_url: 'https://api.github.com/x', html_url: run.html_url } },
    { status: 204 },
  ]);

  expect(await github.withToken(token).dispatchWorkflow(dispatch)).toEqual({ runId: 30433642, runUrl: run.html_url });
  expect(await github.withToken(token).dispatchWorkflow(dispatch)).toEqual({});
  expect(seen[0]).toMatchObject({
    method: 'POST',
    path: '/repos/acme/web/actions/workflows/build.yml/dispatches',
    body: { ref: 'main', inputs: { fairlead_build: 'bld_1' }, return_run_details: true },
  });
});

test('does not ask an Enterprise Server for the run', async () => {
  const { github, seen } = await scriptedGitHub([{ status: 204 }], { server: true });

  await github.withToken(token).dispatchWorkflow({ fullName: 'acme/web', workflow: 'b.yml', ref: 'main', inputs: {} });

  expect(seen[0]?.body).toEqual({ ref: 'main', inputs: {} });
});

test('sends nothing for a name that leaves its path', async () => {
  const { github, seen } = await scriptedGitHub([{ body: {} }]);
  const spoken = github.withToken(token);

  for (const workflow of ['..', '.']) {
    const dispatch = { fullName: 'acme/web', workflow, ref: 'main', inputs: {} };
    await expect(spoken.dispatchWorkflow(dispatch)).rejects.toMatchObject({ code: 'validation', ambiguous: false });
  }
  await expect(spoken.getBranch('acme/..', 'main')).rejects.toMatchObject({ code: 'validation' });
  expect(seen).toEqual([]);
});

test('lists runs by workflow, event and time', async () => {
  const { github, seen } = await scriptedGitHub([{ body: { total_count: 1, workflow_runs: [run] } }]);
  const spoken = github.withToken(token);
  const createdAfter = Date.parse('2026-11-01T11:58:00.700Z');

  const { runs } = await spoken.listRuns({
    fullName: 'acme/web',
    workflow: 'b.yml',
    event: 'workflow_dispatch',
    createdAfter,
  });
  await spoken.listRuns({ fullName: 'acme/web', page: 2 });

  expect(runs).toEqual([
    {
      id: 30433642,
      attempt: 2,
      displayTitle: 'build bld_1',
      status: 'completed',
      conclusion: 'success',
      headSha: run.head_sha,
      headBranch: 'main',
      htmlUrl: run.html_url,
      createdAt: Date.parse('2026-11-01T11:59:00Z'),
    },
  ]);
  expect(seen.map(({ path }) => path)).toEqual([
    '/repos/acme/web/actions/workflows/b.yml/runs?per_page=100&page=1&event=workflow_dispatch&created=%3E%3D2026-11-01T11%3A58%3A00Z',
    '/repos/acme/web/actions/runs?per_page=100&page=2',
  ]);
});

test('cancels a run, or returns how it ended', async () => {
  const { github } = await scriptedGitHub([
    { status: 202, body: {} },
    { status: 409, body: { message: 'Cannot cancel a workflow run that is completed.' } },
    { body: run },
  ]);
  const spoken = github.withToken(token);

  expect(await spoken.cancelRun('acme/web', 1)).toEqual({ accepted: true, run: undefined });
  expect(await spoken.cancelRun('acme/web', 1)).toMatchObject({ accepted: false, run: { conclusion: 'success' } });
});

test('posts a rerun, a status and a deployment in GitHub’s format', async () => {
  const { github, seen } = await scriptedGitHub([{ status: 201, body: { id: 42 } }]);
  const spoken = github.withToken(token);
  const fullName = 'acme/web';

  await spoken.rerun(fullName, 1);
  await spoken.createStatus({
    fullName,
    sha: 'abc',
    state: 'success',
    context: 'fairlead',
    description: 'ü'.repeat(150),
    targetUrl: 'https://f.example/b',
  });
  const deployment = await spoken.createDeployment({
    fullName,
    ref: 'main',
    environment: 'production',
    payload: { build: 'bld_1' },
  });
  await spoken.createDeploymentStatus({
    fullName,
    deploymentId: deployment.id,
    state: 'in_progress',
    logUrl: 'https://f.example/b',
  });

  expect(seen.map(({ method, path, body }) => [method, path, body])).toEqual([
    ['POST', '/repos/acme/web/actions/runs/1/rerun', undefined],
    [
      'POST',
      '/repos/acme/web/statuses/abc',
      { state: 'success', context: 'fairlead', description: `${'ü'.repeat(139)}…`, target_url: 'https://f.example/b' },
    ],
    [
      'POST',
      '/repos/acme/web/deployments',
      { ref: 'main', environment: 'production', payload: { build: 'bld_1' }, auto_merge: false, required_contexts: [] },
    ],
    [
      'POST',
      '/repos/acme/web/deployments/42/statuses',
      { state: 'in_progress', auto_inactive: true, log_url: 'https://f.example/b' },
    ],
  ]);
});
