import { expect } from 'vitest';
import type { Client } from '../client.ts';
import type { Scene } from '../programs/product.ts';
import { type BuildView, listBuilds } from '../scenes/platform.ts';
import type { Day } from './day.ts';

const soon = { timeout: 40_000 };

/** Pushes, and waits until the build runs. `end` makes GitHub report that the run has succeeded. */
export async function runningBuild({ github, app, installation, push }: Scene, reader: Client) {
  const before = github.state.runs.size;
  await push();
  await expect.poll(() => github.state.runs.size, soon).toBe(before + 1);
  const run = [...github.state.runs.values()].at(-1);
  if (!run) throw new Error('The stand-in has no run');
  const newest = async (): Promise<BuildView | undefined> => (await listBuilds(reader))[0];
  await expect.poll(async () => (await newest())?.status, soon).toBe('running');
  return {
    id: (await newest())?.id ?? '',
    async end() {
      const payload = github.progressRun(run, { status: 'completed', conclusion: 'success' });
      await github.sendWebhook({ app, event: 'workflow_run', payload, installation });
      await expect.poll(async () => (await newest())?.status, soon).toBe('succeeded');
    },
  };
}

/** Runs builds that succeed and one that fails. GitHub's errors repeat the token of the request. */
export async function buildAndFail({ scene }: Day, reader: Client): Promise<void> {
  const { github, installation } = scene;
  const ours = () => [...github.state.tokens].filter(([, { installationId }]) => installationId === installation.id);
  await (await runningBuild(scene, reader)).end();
  const token = ours().at(-1)?.[0] ?? '';
  expect(token).not.toBe('');
  await failDispatch(scene, reader, { message: `Refused ${token}`, token, errors: [{ message: token }] });
  const echo = { message: `It broke while ${token} was used`, authorization: `Bearer ${token}` };
  github.faults.add({ path: /\/statuses\//, kind: 'status', status: 500, body: echo, times: 2 });
  const minting = new RegExp(`/installations/${installation.id}/access_tokens$`);
  github.faults.add({ path: minting, kind: 'status', status: 500, body: `<b>${token}</b>`, times: 1 });
  for (const [, one] of ours()) one.revoked = true;
  await (await runningBuild(scene, reader)).end();
  const met = github.ledger.filter(({ status }) => status === 500 || status === 422).map(({ path }) => path);
  for (const path of [/dispatches$/, /statuses/, minting]) expect(met).toContainEqual(expect.stringMatching(path));
}

async function failDispatch({ github, push }: Scene, reader: Client, body: unknown): Promise<void> {
  github.faults.add({ method: 'POST', path: /\/dispatches$/, kind: 'status', status: 422, body, times: 1 });
  await push();
  await expect.poll(async () => (await listBuilds(reader))[0]?.status, soon).toBe('failed');
  const [build] = await listBuilds(reader);
  await reader.ask('GET', `/v1/builds/${build?.id}`);
  await reader.ask('GET', `/v1/builds/${build?.id}/events`);
}
