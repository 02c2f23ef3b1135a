import { expect, test } from 'vitest';
import { appJwt, ask } from './ask.ts';
import { installed } from './installed.ts';

const sha = 'c'.repeat(40);
const path = '/repos/acme/web/check-runs';

test('moves a check run from its start to its conclusion, and lists it by its commit', async () => {
  const { github, minted } = await installed({ permissions: { checks: 'write' } });
  const authorization = await minted();
  const send = (request: string, body?: unknown) => ask(github.apiUrl, request, { authorization, body });
  const made = await send(`POST ${path}`, {
    name: 'Fairlead',
    head_sha: sha,
    external_id: 'bld_1',
    status: 'in_progress',
  });
  expect(made).toMatchObject({ status: 201, body: { status: 'in_progress', conclusion: null, external_id: 'bld_1' } });

  const one = `${path}/${made.body['id']}`;
  // Completion needs a conclusion: GitHub rejects it otherwise, and so does its document.
  expect((await send(`PATCH ${one}`, { status: 'completed' })).status).toBe(422);
  expect(github.violations.splice(0).join()).toMatch(/^PATCH .*required property 'conclusion'/);
  const output = { title: 'Done', summary: 'All well' };
  const done = await send(`PATCH ${one}`, { conclusion: 'success', output });
  expect(done).toMatchObject({ status: 200, body: { status: 'completed', conclusion: 'success', output } });
  expect((await send(`GET ${one}`)).body).toEqual(done.body);

  await send(`POST ${path}`, { name: 'Fairlead', head_sha: sha });
  const list = async (filter: string) =>
    (await send(`GET /repos/acme/web/commits/${sha}/check-runs?filter=${filter}`)).body;
  expect(await list('latest')).toMatchObject({ total_count: 1, check_runs: [{ status: 'queued' }] });
  expect(await list('all')).toMatchObject({ total_count: 2 });
  expect(github.violations).toEqual([]);
});

test('requires the permission for a check run, and lets only its own App change it', async () => {
  const { github, app, repository, installation, minted } = await installed();
  const body = { name: 'Fairlead', head_sha: sha };
  expect((await ask(github.apiUrl, `POST ${path}`, { authorization: await minted(), body })).status).toBe(403);
  expect(github.state.checkRuns.size).toBe(0);

  Object.assign(installation.permissions, { checks: 'write' });
  const mine = await ask(github.apiUrl, `POST ${path}`, { authorization: await minted(), body });
  const other = github.addApp({ permissions: { checks: 'write' } });
  github.addInstallation(other, { id: 6 }).repositoryIds.add(repository.id);
  const asOther = { authorization: appJwt(other) };
  const theirs = await ask(github.apiUrl, 'POST /app/installations/6/access_tokens', asOther);
  const authorization = `token ${theirs.body['token']}`;
  const one = `${path}/${mine.body['id']}`;
  expect(await ask(github.apiUrl, `GET ${one}`, { authorization })).toMatchObject({ body: { app: { id: app.appId } } });
  const change = { authorization, body: { conclusion: 'failure' } };
  expect((await ask(github.apiUrl, `PATCH ${one}`, change)).status).toBe(403);
  expect([...github.state.checkRuns.values()]).toMatchObject([{ conclusion: null }]);
});
