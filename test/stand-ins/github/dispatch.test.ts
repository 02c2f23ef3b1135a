import { expect, test } from 'vitest';
import { workflowFile } from '../../support/scenes/platform.ts';
import { appJwt, ask } from './ask.ts';
import { installed } from './installed.ts';

const dispatches = 'POST /repos/acme/web/actions/workflows/deploy.yml/dispatches';
const inputs = { fairlead_build: 'bld_1', fairlead_sha: 'a'.repeat(40), fairlead_ref: 'refs/heads/main' };
const versions = { old: { 'x-github-api-version': '2022-11-28' }, new: { 'x-github-api-version': '2026-03-10' } };

test('returns the run of a dispatch, and 202 for an uninstallation, in the version of 2026', async () => {
  const { github, app, minted } = await installed();
  const authorization = await minted();
  const send = (headers: Record<string, string>) =>
    ask(github.apiUrl, dispatches, { authorization, body: { ref: 'main', inputs }, headers });
  expect((await send(versions.old)).status).toBe(204);
  expect(await send(versions.new)).toMatchObject({ status: 200, body: { workflow_run_id: expect.any(Number) } });
  expect((await send({ 'x-github-api-version': '2020-01-01' })).status).toBe(400);
  expect(github.state.runs.size).toBe(2);
  const uninstall = { authorization: appJwt(app), headers: versions.new };
  expect((await ask(github.apiUrl, 'DELETE /app/installations/5', uninstall)).status).toBe(202);
  expect(github.violations).toEqual([]);
});

test('knows only the old version and ten inputs as an Enterprise Server', async () => {
  const { github, repository, minted } = await installed({ flavour: 'ghes' });
  const names = Array.from({ length: 11 }, (_, index) => `input_${index}`);
  const declared = names.map((name) => `      ${name}: {}`).join('\n');
  repository.files.set('.github/workflows/deploy.yml', `on:\n  workflow_dispatch:\n    inputs:\n${declared}\n`);
  const authorization = await minted();
  const send = (count: number, headers = {}) => {
    const body = { ref: 'main', inputs: Object.fromEntries(names.slice(0, count).map((name) => [name, '1'])) };
    return ask(github.apiUrl, dispatches, { authorization, body, headers });
  };
  expect((await send(10)).status).toBe(204);
  expect((await send(11)).status).toBe(422);
  expect((await send(1, versions.new)).status).toBe(400);
});

test('says why a dispatch is impossible', async () => {
  const { github, repository, minted } = await installed();
  const authorization = await minted();
  const send = async (body: unknown, request = dispatches) => {
    const answer = await ask(github.apiUrl, request, { authorization, body });
    return [answer.status, answer.body['message']];
  };
  expect(await send({ inputs })).toEqual([422, expect.stringContaining('"ref" wasn\'t supplied')]);
  expect(await send({ ref: 'main' }, dispatches.replace('deploy.yml', 'nothing.yml'))).toEqual([404, 'Not Found']);
  // A file on a branch counts as missing if the default branch does not have it.
  repository.branches.set('feat', 'f'.repeat(40));
  repository.filesAt.set('feat', new Map([['.github/workflows/new.yml', workflowFile]]));
  expect(await send({ ref: 'feat', inputs }, dispatches.replace('deploy.yml', 'new.yml'))).toEqual([404, 'Not Found']);
  repository.filesAt.set('feat', new Map([['.github/workflows/deploy.yml', 'on: push\n']]));
  expect(await send({ ref: 'feat', inputs })).toEqual([422, "Workflow does not have 'workflow_dispatch' trigger"]);
  github.disableWorkflow(repository, 'deploy.yml');
  expect(await send({ ref: 'main', inputs })).toEqual([
    422,
    "Cannot trigger a 'workflow_dispatch' on a disabled workflow",
  ]);
  expect(github.state.runs.size).toBe(0);
  expect(github.violations.splice(0)).toEqual([expect.stringContaining("must have required property 'ref'")]);
});

test('can receive a request twice, and its ledger shows which one had an effect', async () => {
  const { github, minted } = await installed();
  const authorization = await minted();
  const send = () => ask(github.apiUrl, dispatches, { authorization, body: { ref: 'main', inputs } });
  const path = /\/dispatches$/;
  github.faults.add({ path, kind: 'twice', times: 1 });
  expect((await send()).status).toBe(204);
  expect(github.state.runs.size).toBe(2);

  for (const kind of ['lost_answer', 'reset'] as const) {
    github.faults.add({ path, kind, times: 1 });
    await expect(send()).rejects.toThrow();
  }
  const [twice, lost, reset] = github.requests({ path });
  expect(twice?.effect).toBe('POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches');
  expect(lost).toMatchObject({ status: 0, effect: twice?.effect });
  expect(reset?.status).toBe(0);
  expect(reset?.effect).toBeUndefined();
});

test('finds runs by their start time, and keeps runs of pushes apart from dispatched ones', async () => {
  const { github, repository, minted } = await installed();
  const authorization = await minted();
  await ask(github.apiUrl, dispatches, { authorization, body: { ref: 'main', inputs } });
  const pushed = github.startRun(repository, { displayTitle: 'Fix' });
  const payload = github.progressRun(pushed, { status: 'in_progress' });
  expect(payload).toMatchObject({
    action: 'in_progress',
    workflow_run: { id: pushed.id, event: 'push', run_number: 2 },
  });
  const count = async (query: Record<string, string>) => {
    const path = `/repos/acme/web/actions/runs?${new URLSearchParams(query)}`;
    return (await ask(github.apiUrl, `GET ${path}`, { authorization })).body['total_count'];
  };
  const at = (ms: number) => new Date(Date.now() + ms).toISOString();
  expect(await count({})).toBe(2);
  expect(await count({ event: 'workflow_dispatch' })).toBe(1);
  expect(await count({ created: `>=${at(-60_000)}` })).toBe(2);
  expect(await count({ created: `>${at(60_000)}` })).toBe(0);
  expect(await count({ created: `${at(-60_000)}..${at(60_000)}` })).toBe(2);
  expect(await count({ created: `*..${at(-60_000)}` })).toBe(0);
  expect(github.violations).toEqual([]);
});
