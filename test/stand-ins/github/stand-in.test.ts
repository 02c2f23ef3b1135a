import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { newKeyPair } from '../../../stand-ins/github/credentials.ts';
import { startGitHub } from '../../support/github.ts';
import { appJwt, ask } from './ask.ts';
import { github, installed, receiver } from './installed.ts';

const dispatches = 'POST /repos/acme/web/actions/workflows/deploy.yml/dispatches';
const inputs = { fairlead_build: 'bld_1', fairlead_sha: 'a'.repeat(40), fairlead_ref: 'refs/heads/main' };

test.each([
  ['is expired', { iat: -700, exp: -100 }, 401, /must be a numeric value representing the future time/],
  ['lives too long', { exp: 900 }, 401, /is too far in the future/],
  ['was issued in the future', { iat: 60 }, 401, /'Issued at' claim/],
  ['is signed by another key', { key: newKeyPair().privateKey }, 401, /could not be decoded/],
  ['names no App', { iss: 8 }, 404, /Integration not found/],
])('rejects a JWT that %s', async (_, parts, status, message) => {
  const { github, app } = await installed();
  const answer = await ask(github.apiUrl, 'GET /app', { authorization: appJwt(app, parts) });
  expect(answer).toMatchObject({ status, body: { message: expect.stringMatching(message), status: String(status) } });
});

test('accepts the number or the client id of an App in a JWT', async () => {
  const { github, app } = await installed();
  for (const iss of [7, '7', app.clientId]) {
    const answer = await ask(github.apiUrl, 'GET /app', { authorization: appJwt(app, { iss }) });
    expect(answer).toMatchObject({ status: 200, body: { id: 7, slug: app.slug } });
  }
});

test('can have another clock than ours, and shows it in the Date header', async () => {
  const { github, app } = await installed();
  github.clock.skewMs = -900_000;
  const answer = await ask(github.apiUrl, 'GET /app', { authorization: appJwt(app) });
  expect(answer.status).toBe(401);
  expect(Date.now() - Date.parse(answer.headers.get('date') ?? '')).toBeGreaterThan(890_000);
});

test.each([
  ['classic', /^ghs_[A-Za-z0-9]{36}$/],
  ['stateless', /^ghs_7_[\w-]+\.[\w-]+\.[\w-]{100,}$/],
] as const)('accepts a %s token until it is revoked', async (tokenFormat, form) => {
  const { github, minted } = await installed({ tokenFormat });
  const authorization = await minted();
  expect(authorization.slice(6)).toMatch(form);
  const list = () => ask(github.apiUrl, 'GET /installation/repositories', { authorization });
  expect(await list()).toMatchObject({ status: 200, body: { total_count: 1, repositories: [{ id: 1296269 }] } });
  expect((await ask(github.apiUrl, 'DELETE /installation/token', { authorization })).status).toBe(204);
  expect(await list()).toMatchObject({ status: 401, body: { message: 'Bad credentials' } });
});

test('issues a token in either format', async () => {
  const { mint } = await installed();
  const asked = async (value: string) => (await mint({}, { 'x-github-stateless-s2s-token': value })).body['token'];
  expect(await asked('enabled')).toMatch(/^ghs_7_.+\..+\..+$/);
  expect(await asked('disabled')).toMatch(/^ghs_[A-Za-z0-9]{36}$/);
});

test('mints no token for more than the installation has', async () => {
  const { github, installation, mint } = await installed();
  const foreign = github.addRepository(github.addInstallation(github.addApp()), { name: 'other' });
  expect((await mint({ permissions: { contents: 'write' } })).status).toBe(422);
  expect((await mint({ repository_ids: [foreign.id] })).status).toBe(422);
  github.suspend(installation);
  expect(await mint()).toMatchObject({ status: 403, body: { message: 'This installation has been suspended' } });
  github.unsuspend(installation);
  expect((await mint()).status).toBe(201);
  github.uninstall(installation);
  expect((await mint()).status).toBe(404);
});

test('limits a token to its repositories and permissions', async () => {
  const { github, installation, repository, minted } = await installed();
  const other = github.addRepository(installation, { name: 'other' });
  const authorization = await minted({ repository_ids: [repository.id], permissions: { contents: 'read' } });
  const get = (path: string) => ask(github.apiUrl, `GET ${path}`, { authorization });

  expect((await get('/repos/acme/web/branches/main')).status).toBe(200);
  expect(await get('/repos/acme/other')).toMatchObject({ status: 404, body: { message: 'Not Found' } });
  expect((await get(`/repositories/${other.id}`)).status).toBe(404);
  expect(await ask(github.apiUrl, dispatches, { authorization, body: { ref: 'main', inputs } })).toMatchObject({
    status: 403,
    body: { message: 'Resource not accessible by integration' },
  });
  expect(github.state.runs.size).toBe(0);
});

test('creates one App from a manifest code', async () => {
  const standIn = await github();
  const code = standIn.addManifestCode({ name: 'Fair Lead', default_permissions: { actions: 'write' } });
  const first = await ask(standIn.apiUrl, `POST /app-manifests/${code}/conversions`);
  expect(first).toMatchObject({ status: 201, body: { slug: 'fair-lead', pem: expect.stringMatching(/RSA PRIVATE/) } });
  expect((await ask(standIn.apiUrl, `POST /app-manifests/${code}/conversions`)).status).toBe(404);
  expect(standIn.state.apps.size).toBe(1);
});

test.each([
  ['a ref that is gone', { ref: 'gone', inputs }, 'No ref found for: gone'],
  ['an input too many', { ref: 'main', inputs: { ...inputs, x: '1' } }, 'Unexpected inputs provided: ["x"]'],
  ['an input too few', { ref: 'main', inputs: {} }, "Required input 'fairlead_build' not provided"],
])('rejects a dispatch for %s', async (_, body, message) => {
  const { github, minted } = await installed();
  const answer = await ask(github.apiUrl, dispatches, { authorization: await minted(), body });
  expect(answer).toMatchObject({ status: 422, body: { message } });
  expect(github.state.runs.size).toBe(0);
});

test('returns the run of a dispatch on github.com if asked to, and never on an Enterprise Server', async () => {
  for (const [flavour, asked, status] of [
    ['github.com', true, 200],
    ['github.com', false, 204],
    ['ghes', false, 204],
  ] as const) {
    const { github, minted } = await installed({ flavour });
    const body = { ref: 'main', inputs, ...(asked && { return_run_details: true }) };
    const answer = await ask(github.apiUrl, dispatches, { authorization: await minted(), body });
    const [run] = [...github.state.runs.values()];
    expect(run).toMatchObject({ displayTitle: 'Build bld_1', headBranch: 'main', status: 'queued' });
    expect(answer.status).toBe(status);
    if (status === 200) expect(answer.body['workflow_run_id']).toBe(run?.id);
  }
});

test('can lose an answer after its effect, and fail before or after it', async () => {
  const { github, minted } = await installed();
  const authorization = await minted();
  const dispatch = () => ask(github.apiUrl, dispatches, { authorization, body: { ref: 'main', inputs } });
  const path = /\/dispatches$/;

  github.faults.add({ path, kind: 'lost_answer', times: 1 });
  await expect(dispatch()).rejects.toThrow();
  expect(github.state.runs.size).toBe(1);

  github.faults.add({ path, kind: 'reset', times: 1 });
  await expect(dispatch()).rejects.toThrow();
  github.faults.add({ path, kind: 'status', status: 503, times: 1 });
  expect((await dispatch()).status).toBe(503);
  expect(github.state.runs.size).toBe(1);

  github.faults.add({ path, kind: 'status', status: 502, after: true, times: 1 });
  expect((await dispatch()).status).toBe(502);
  expect(github.state.runs.size).toBe(2);

  github.faults.add({ path, kind: 'rate_limit', times: 1 });
  expect((await dispatch()).headers.get('x-ratelimit-remaining')).toBe('0');
  github.faults.add({ path, kind: 'secondary_limit', retryAfter: 3, times: 1 });
  expect((await dispatch()).headers.get('retry-after')).toBe('3');
  expect((await dispatch()).status).toBe(204);
  expect(github.requests({ method: 'POST', path }).map(({ status }) => status)).toEqual([
    0, 0, 503, 502, 403, 403, 204,
  ]);
});

test('signs and logs a webhook, and redelivers it with the same guid and bytes', async () => {
  const { github, app, installation, repository } = await installed();
  const { received, hookUrl } = await receiver();
  app.hookUrl = hookUrl;
  const payload = github.push(repository, { ref: 'refs/heads/main', headCommit: { message: 'Fix' } });
  expect((await github.sendWebhook({ app, event: 'push', payload, installation, guid: 'g-1' })).status).toBe(202);
  expect(repository.branches.get('main')).toBe(payload['after']);

  const authorization = appJwt(app);
  const list = () => ask(github.apiUrl, 'GET /app/hook/deliveries', { authorization });
  const [logged] = (await list()).body as unknown as { id: number }[];
  expect(logged).toMatchObject({ guid: 'g-1', event: 'push', status_code: 202, redelivery: false, installation_id: 5 });
  const again = await ask(github.apiUrl, `POST /app/hook/deliveries/${logged?.id}/attempts`, { authorization });
  expect(again.status).toBe(202);
  await expect.poll(() => received.length).toBe(2);
  await github.redeliver('g-1');

  const [first] = received;
  const signature = createHmac('sha256', app.webhookSecret)
    .update(first?.body ?? '')
    .digest('hex');
  for (const { headers, body } of received) {
    expect(body).toBe(first?.body);
    expect(headers).toMatchObject({
      'x-github-delivery': 'g-1',
      'x-github-event': 'push',
      'x-github-hook-installation-target-id': '7',
      'x-hub-signature-256': `sha256=${signature}`,
    });
  }
  expect(received).toHaveLength(3);
});

test('announces an automatic run three times', async () => {
  const { github, app, minted } = await installed();
  const { received, hookUrl } = await receiver();
  app.hookUrl = hookUrl;
  github.autoRuns = true;
  await ask(github.apiUrl, dispatches, { authorization: await minted(), body: { ref: 'main', inputs } });
  await expect
    .poll(() => received.map(({ body }) => (JSON.parse(body) as { action: string }).action))
    .toEqual(['requested', 'in_progress', 'completed']);
});

test('does not send unchanged data again, and redirects an old name to the new one', async () => {
  const { github, repository, minted } = await installed();
  const authorization = await minted();
  const get = (path: string, headers: Record<string, string> = {}) =>
    ask(github.apiUrl, `GET ${path}`, { authorization, headers });
  const etag = (await get('/repos/acme/web')).headers.get('etag') ?? '';
  expect((await get('/repos/acme/web', { 'if-none-match': etag })).status).toBe(304);

  github.renameRepository(repository, 'shop');
  const moved = await get('/repos/acme/web/branches/main');
  expect(moved.status).toBe(301);
  const followed = await get((moved.headers.get('location') ?? '').slice(github.apiUrl.length));
  expect(followed).toMatchObject({ status: 200, body: { name: 'main' } });
  // A write is redirected too, with a status that keeps its method.
  expect((await ask(github.apiUrl, dispatches, { authorization, body: { ref: 'main', inputs } })).status).toBe(307);
  expect(github.state.runs.size).toBe(0);
  expect(github.violations).toEqual([]);
});

test('pages through lists', async () => {
  const { github, repository, minted } = await installed();
  for (let number = 0; number < 150; number++) repository.branches.set(`feat/${number}`, 'b'.repeat(40));
  const authorization = await minted();
  const first = await ask(github.apiUrl, 'GET /repos/acme/web/branches?per_page=100', { authorization });
  expect(first.body).toHaveLength(100);
  expect(first.headers.get('link')).toMatch(/[?&]page=2>; rel="next"/);
  const second = await ask(github.apiUrl, 'GET /repos/acme/web/branches?per_page=100&page=2', { authorization });
  expect(second.body).toHaveLength(51);
  expect(second.headers.get('link')).not.toMatch(/rel="next"/);
  const some = await ask(github.apiUrl, 'GET /repos/acme/web/git/matching-refs/heads%2Ffeat%2F14', { authorization });
  expect(some.body).toHaveLength(11);
});

test('counts a malformed answer and a wrong request as violations of the contract', async () => {
  const { github, app, minted } = await installed();
  const authorization = await minted();
  expect(github.violations).toEqual([]);

  github.faults.add({ path: /^\/app$/, kind: 'status', status: 200, body: { id: 'seven' }, times: 1 });
  await ask(github.apiUrl, 'GET /app', { authorization: appJwt(app) });
  expect(github.violations.splice(0).join()).toMatch(/^GET \/app: answer 200: .*must/);

  const wrong = [
    ask(github.apiUrl, dispatches, { authorization, body: { ref: 'main', inputs, sha: 'x' } }),
    ask(github.apiUrl, 'GET /installation/repositories?perpage=100', { authorization }),
    ask(github.apiUrl, 'GET /repos/acme/web/actions/runs/latest', { authorization }),
    ask(github.apiUrl, 'GET /rate_limit', { authorization }),
  ];
  await Promise.all(wrong);
  expect(github.violations.splice(0).sort()).toEqual([
    expect.stringMatching(/^GET \/installation\/repositories: query: perpage is unknown/),
    expect.stringMatching(/^GET \/rate_limit: there is no such operation/),
    expect.stringMatching(/^GET .*\{run_id\}: path: run_id: .*must be integer/),
    expect.stringMatching(/dispatches: request: .*additional properties .*"sha"/),
  ]);
});

test('fails to close when a violation is left', async () => {
  const github = await startGitHub();
  await ask(github.apiUrl, 'GET /nothing');
  await expect(github.close()).rejects.toThrow('GET /nothing: there is no such operation');
});

test.each(['github.com', 'ghes'] as const)('keeps the contract in every operation on %s', async (flavour) => {
  const { github, app, installation, repository, minted } = await installed({ flavour });
  const { hookUrl } = await receiver();
  app.hookUrl = hookUrl;
  const user = github.addInstallation(app, { id: 6, account: { login: 'octocat', id: 583231, type: 'User' } });
  github.suspend(user);
  const token = await minted({ repository_ids: [repository.id], permissions: installation.permissions });
  const jwt = appJwt(app);
  const payload = github.push(repository, { ref: 'refs/heads/feat/x' });
  await github.sendWebhook({ app, event: 'push', payload });
  const delivery = github.state.deliveries[0]?.id;
  const code = github.addOAuthCode(app);
  const oauth = { client_id: app.clientId, client_secret: app.clientSecret, code };
  const signedIn = await ask(github.url, 'POST /login/oauth/access_token', { body: oauth });

  const expectAll = async (authorization: string, requests: [string, number, unknown?][]) => {
    for (const [request, status, body] of requests) {
      const answer = await ask(github.apiUrl, request, { authorization, body });
      expect([request, answer.status, answer.body]).toEqual([request, status, expect.anything()]);
    }
  };
  await expectAll(`Bearer ${signedIn.body['access_token']}`, [
    ['GET /user', 200],
    ['GET /user/installations', 200],
  ]);
  await expectAll(jwt, [
    [`POST /app-manifests/${github.addManifestCode()}/conversions`, 201],
    ['GET /app', 200],
    ['GET /app/installations?per_page=100&page=1', 200],
    ['GET /app/installations/6', 200],
    ['PUT /app/installations/6/suspended', 204],
    ['DELETE /app/installations/6/suspended', 204],
    ['DELETE /app/installations/6', 204],
    ['PATCH /app/hook/config', 200, { url: hookUrl, content_type: 'json', secret: 'another' }],
    ['GET /app/hook/config', 200],
    ['GET /app/hook/deliveries?per_page=100&status=success', 200],
    [`GET /app/hook/deliveries/${delivery}`, 200],
    [`POST /app/hook/deliveries/${delivery}/attempts`, 202],
  ]);
  const repo = '/repos/acme/web';
  const sha = repository.branches.get('main');
  await expectAll(token, [
    ['GET /installation/repositories?per_page=100&page=1', 200],
    [`GET ${repo}`, 200],
    ['GET /repositories/1296269', 200],
    [`GET ${repo}/branches?per_page=100`, 200],
    [`GET ${repo}/branches/feat%2Fx`, 200],
    [`GET ${repo}/git/matching-refs/heads%2Ffeat`, 200],
    [`GET ${repo}/contents/.github%2Fworkflows%2Fdeploy.yml?ref=main`, 200],
    [`GET ${repo}/contents/.github/workflows`, 200],
    [`GET ${repo}/contents/nothing`, 404],
    [`GET ${repo}/actions/workflows/deploy.yml`, 200],
    [dispatches, 204, { ref: 'main', inputs }],
    [dispatches, flavour === 'ghes' ? 204 : 200, { ref: 'main', inputs, return_run_details: true }],
    [`GET ${repo}/actions/runs?event=workflow_dispatch&created=%3E%3D2026-01-01T00:00:00Z&per_page=100`, 200],
    [`GET ${repo}/actions/workflows/deploy.yml/runs?branch=main&head_sha=${sha}`, 200],
  ]);
  const [run] = [...github.state.runs.values()];
  if (!run) throw new Error('There is no run');
  github.progressRun(run, { status: 'completed', conclusion: 'failure' });
  const shown = await ask(github.apiUrl, `GET ${repo}/actions/runs/${run.id}`, { authorization: token });
  expect(shown.body).toMatchObject({ status: 'completed', conclusion: 'failure', display_title: 'Build bld_1' });
  const deployment = { ref: 'main', environment: 'production', auto_merge: false, required_contexts: [], payload: {} };
  await expectAll(token, [
    [`POST ${repo}/actions/runs/${run.id}/rerun`, 201],
    [`POST ${repo}/actions/runs/${run.id}/cancel`, 202],
    [`POST ${repo}/actions/runs/${run.id}/cancel`, 409],
    [`POST ${repo}/statuses/${sha}`, 201, { state: 'pending', context: 'ci', target_url: 'https://f.example' }],
    [`GET ${repo}/commits/${sha}/statuses`, 200],
    [`POST ${repo}/deployments`, 201, deployment],
    [`GET ${repo}/deployments?environment=production&sha=${sha}`, 200],
  ]);
  const [made] = [...github.state.deployments.keys()];
  await expectAll(token, [
    [`POST ${repo}/deployments/${made}/statuses`, 201, { state: 'success', log_url: 'https://f.example/b' }],
    [`GET ${repo}/deployments/${made}/statuses`, 200],
    ['DELETE /installation/token', 204],
  ]);
  expect(github.violations).toEqual([]);
});
