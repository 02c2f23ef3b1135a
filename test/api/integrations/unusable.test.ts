import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { allIncidents } from '../../../db/ops/incidents.ts';
import { startApi, type TestApi } from '../../support/api.ts';
import { addEverything, addOrg, addProject, addToken, type Tenant } from '../../support/scenes/tenants.ts';

/** The requests that the provider would have got. */
const asked: string[] = [];
const ask = (name: string) => async () => {
  asked.push(name);
  throw new Error('The provider was asked');
};

let api: TestApi;
let mine: Tenant;
let client: ReturnType<TestApi['as']>;

beforeAll(async () => {
  const [branches, branchHead, liesOn, inspectWorkflowFile] = ['branches', 'branchHead', 'liesOn', 'file'].map(ask);
  api = await startApi({ broker: { branches, branchHead, liesOn, inspectWorkflowFile } as never });
});
afterAll(() => api?.stop());
beforeEach(async () => {
  asked.length = 0;
  const orgId = await addOrg(api.database);
  mine = await addEverything(api.database, { orgId, projectId: await addProject(api.database, orgId) });
  client = api.as((await addToken(api.database, { orgId })).secret);
  // Only a build that has ended can be rerun.
  await api.database.write((trx) => trx('builds').where({ id: mine.buildId }).update({ status: 'failed' }));
});

const uses: [what: string, request: () => [method: string, path: string, body?: object]][] = [
  ['a manual build', () => ['POST', `/v1/pipelines/${mine.pipelineId}/builds`, {}]],
  ['a manual build of a commit', () => ['POST', `/v1/pipelines/${mine.pipelineId}/builds`, { sha: 'a'.repeat(40) }]],
  ['a rerun', () => ['POST', `/v1/builds/${mine.buildId}/rerun`]],
  ['a check of the workflow file', () => ['POST', `/v1/pipelines/${mine.pipelineId}/check`]],
  [
    'the source of an app',
    () => [
      'PUT',
      `/v1/apps/${mine.appId}/source`,
      { integration_id: mine.integrationId, repository_id: mine.repositoryId },
    ],
  ],
  [
    'the branches of a repository',
    () => ['GET', `/v1/integrations/${mine.integrationId}/repositories/${mine.repositoryId}/branches`],
  ],
  [
    'a clone token',
    () => ['POST', `/v1/projects/${mine.projectId}/credentials/exchange`, { purpose: 'clone', app_id: mine.appId }],
  ],
];

test('shows no incident to a caller that may only use the integration', async () => {
  await api.database.write(async (trx) => {
    await trx('integrations').where({ id: mine.integrationId }).update({ status: 'reauth_required' });
    const subject = { orgId: mine.orgId, projectId: null, subjectId: mine.integrationId };
    await allIncidents(trx).raise({
      ...subject,
      code: 'secret_unreadable',
      action: 'Only the operator may read this.',
    });
  });
  for (const [, request] of uses) {
    const [method, path, body] = request();
    const answer = await client.send<Record<string, unknown>>(method, path, body);
    expect(answer.status).toBe(409);
    expect(JSON.stringify(answer.body)).not.toContain('Only the operator');
  }
});

test.each(uses)('%s is refused with the state of the integration and what to do', async (_, request) => {
  for (const status of ['suspended', 'disconnected', 'reauth_required'] as const) {
    await api.database.write((trx) => trx('integrations').where({ id: mine.integrationId }).update({ status }));
    const builds = (await api.database.reader('builds')).length;
    const [method, path, body] = request();
    expect(await client.send(method, path, body)).toMatchObject({
      status: 409,
      body: {
        code: 'integration_unusable',
        integration_id: mine.integrationId,
        state: status,
        next_action: { text: expect.stringMatching(/^[A-Z].{20}/) },
      },
    });
    expect(await api.database.reader('builds')).toHaveLength(builds);
  }
  expect(asked).toEqual([]);
});
