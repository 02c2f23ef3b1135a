import { afterAll, beforeAll, expect, test } from 'vitest';
import type { GitHubStandIn } from '../../../stand-ins/github/stand-in.ts';
import { startApi, type TestApi } from '../../support/api.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { startGitHub } from '../../support/github.ts';
import { addOperatorApp, brokerTo } from '../../support/scenes/operator-app.ts';
import { workflowFile } from '../../support/scenes/platform.ts';
import { world } from '../../support/scenes/world.ts';

type View = { id: string; code: string; detail: string };
type Check = { ok: boolean; problems: { code: string; detail: string }[] };
type Place = { appId: string };

let database: TestDatabase;
let api: TestApi;
let standIns: GitHubStandIn[];
let onServer: Place;
let onGithub: Place;

/** Creates an app whose source is a repository of this GitHub host. */
async function place(github: GitHubStandIn): Promise<Place> {
  const { id: githubAppId, theirs } = await addOperatorApp(database, github, { hostUrl: github.url });
  const installation = github.addInstallation(theirs);
  const repository = github.addRepository(installation, {
    workflows: { '.github/workflows/deploy.yml': workflowFile },
  });
  return world(database, { githubAppId, theirs: { installation, repository } });
}

beforeAll(async () => {
  database = await openTestDatabase();
  standIns = await Promise.all([startGitHub({ flavour: 'ghes' }), startGitHub()]);
  api = await startApi({ database, broker: brokerTo(database, ...standIns) });
  [onServer, onGithub] = (await Promise.all(standIns.map(place))) as [Place, Place];
});
afterAll(async () => {
  await api?.stop();
  await Promise.all(standIns.map((one) => one.close()));
});

const inputs = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`input_${at}`, 'x']));
const make = ({ appId }: Place, count: number) =>
  api.admin.send<View>('POST', `/v1/apps/${appId}/pipelines`, {
    name: `with ${count}`,
    workflow_file: 'deploy.yml',
    inputs: inputs(count),
  });

test('an Enterprise Server accepts seven inputs besides those of Fairlead, and github.com accepts 22', async () => {
  expect((await make(onServer, 7)).status).toBe(201);
  const refused = await make(onServer, 8);
  expect(refused).toMatchObject({ status: 422, body: { code: 'workflow_inputs_too_many' } });
  expect(refused.body.detail).toContain('there is room for 7: there are 8');
  expect((await make(onGithub, 22)).status).toBe(201);
});

test('a pipeline rejects more inputs than the host accepts, and still allows other changes', async () => {
  const { id } = (await make(onServer, 2)).body;
  const change = (body: unknown) => api.admin.send<View>('PATCH', `/v1/pipelines/${id}`, body);
  expect(await change({ inputs: inputs(8) })).toMatchObject({
    status: 422,
    body: { code: 'workflow_inputs_too_many' },
  });
  expect(await change({ inputs: inputs(7) })).toMatchObject({ status: 200 });
  // The pipeline was created for another host.
  await database.write((trx) =>
    trx('pipelines')
      .where({ id })
      .update({ inputs: JSON.stringify(inputs(12)) }),
  );
  expect(await change({ name: 'renamed' })).toMatchObject({ status: 200 });
  const found = await api.admin.ask<Check>('POST', `/v1/pipelines/${id}/check`);
  expect(found.ok).toBe(false);
  expect(found.problems).toContainEqual({
    code: 'workflow_inputs_too_many',
    detail: expect.stringContaining('there is room for 7: there are 12'),
  });
});

test('the inputs of a manual build and of its pipeline count together', async () => {
  const trigger = async (at: Place, own: number, more: number) => {
    const { id } = (await make(at, own)).body;
    const named = Object.fromEntries(Array.from({ length: more }, (_, index) => [`more_${index}`, 'x']));
    return api.admin.send<View>('POST', `/v1/pipelines/${id}/builds`, { inputs: named });
  };
  expect(await trigger(onServer, 4, 3)).toMatchObject({ status: 201 });
  expect(await trigger(onServer, 4, 4)).toMatchObject({ status: 422, body: { code: 'workflow_inputs_too_many' } });
  expect(await trigger(onGithub, 12, 11)).toMatchObject({ status: 422, body: { code: 'workflow_inputs_too_many' } });
  expect(await trigger(onGithub, 12, 10)).toMatchObject({ status: 201 });
});
