import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { allApps } from '../../../db/builds/apps.ts';
import { headSha, startApi, type TestApi } from '../../support/api.ts';
import { seed } from '../../support/scenes/seed.ts';
import { addEverything, addOrg, addProject, type Tenant } from '../../support/scenes/tenants.ts';

type View = Record<string, unknown>;

let api: TestApi;
let mine: Tenant;
/** The branches that the broker was asked for, in order. */
const asked: string[] = [];

beforeAll(async () => {
  api = await startApi({
    broker: {
      branches: async () => ({ branches: [], next: undefined }),
      branchHead: async (_, branch) => {
        asked.push(branch);
        return headSha;
      },
      liesOn: async () => true,
      inspectWorkflowFile: async () => undefined,
    },
  });
});
afterAll(() => api.stop());

beforeEach(async () => {
  const orgId = await addOrg(api.database);
  mine = await addEverything(api.database, { orgId, projectId: await addProject(api.database, orgId) });
  asked.length = 0;
});

const setStatus = (status: 'deleting' | 'deleted') =>
  api.database.write(async (trx) => {
    await trx('integrations').where({ id: mine.integrationId }).update({ status });
    if (status === 'deleted') await trx('bindings').where({ integration_id: mine.integrationId }).delete();
  });
const trigger = (body = {}) => api.admin.ask<View>('POST', `/v1/pipelines/${mine.pipelineId}/builds`, body);
const commandsOf = (buildId: unknown) =>
  api.database.reader('commands').where('workflow_id', 'like', `%/${String(buildId)}`);

async function another(changes: { installation?: number; githubAppId?: string } = {}) {
  const { orgId, projectId } = mine;
  const rows = seed(api.database);
  const githubAppId = changes.githubAppId ?? mine.githubAppId;
  const installationId = await rows.installation(githubAppId, changes.installation ?? mine.installation + 2_000_000);
  const integrationId = await rows.integration({ orgId, projectId, githubAppId, installationId });
  return { id: integrationId, installationId, orgId, projectId };
}

const rebind = (to: Awaited<ReturnType<typeof another>>) =>
  api.database.write((trx) => allApps(trx).rebind(to, to.installationId));
const sourceOf = async () => (await allApps(api.database.reader).find(mine.appId))?.source;

describe('an app whose integration was deleted', () => {
  test.each(['deleting', 'deleted'] as const)('fails its builds immediately with the reason (%s)', async (status) => {
    await setStatus(status);
    const failed = { status: 'failed', reason: 'integration_deleted' };
    const build = await trigger();
    expect(build).toMatchObject({ ...failed, finished_at: expect.any(Number) });
    expect(await trigger({ ref: 'refs/tags/v1' })).toMatchObject(failed);
    expect(await commandsOf(build['id'])).toEqual([]);
    expect(asked).toEqual([]);

    await api.database.write((trx) => trx('builds').where({ id: mine.buildId }).update({ status: 'succeeded' }));
    expect(await api.admin.ask('POST', `/v1/builds/${mine.buildId}/rerun`)).toMatchObject(failed);
  });

  test('gives a failed build the last known commit of the branch', async () => {
    const sha = 'c'.repeat(40);
    const head = {
      repository_id: mine.repositoryId,
      ref: 'refs/heads/main',
      sha,
      pushed_at: 1,
      origin: 'webhook' as const,
    };
    await api.database.write((trx) => trx('ref_heads').insert({ ...head, noticed_sha: null, noticed_at: null }));
    await setStatus('deleted');
    expect(await trigger()).toMatchObject({ status: 'failed', sha });
  });

  test('builds again after it gets another source', async () => {
    await setStatus('deleted');
    const before = await trigger();
    const other = await another();
    await api.database.write((trx) =>
      trx('repositories').where({ id: mine.repositoryId }).update({ installation_id: other.installationId }),
    );
    const source = { integration_id: other.id, repository_id: mine.repositoryId };
    await api.admin.ask('PUT', `/v1/apps/${mine.appId}/source`, source);
    const build = await trigger();
    expect(build).toMatchObject({ status: 'queued', sha: headSha });
    expect(await commandsOf(build['id'])).toMatchObject([{ action: 'start', workflow: 'dispatchBuild' }]);
    // A rerun of the failed build uses the new source too.
    const rerun = await api.admin.ask<View>('POST', `/v1/builds/${String(before['id'])}/rerun`);
    expect(rerun).toMatchObject({ status: 'queued' });
    const row = await api.database
      .reader('builds')
      .where({ id: String(rerun['id']) })
      .first();
    expect(row?.integration_id).toBe(other.id);
  });
});

describe('connecting again', () => {
  test('restores the source of apps by repository number, also under another App of the same host', async () => {
    await setStatus('deleted');
    const theirs = await addEverything(api.database, {
      orgId: mine.orgId,
      projectId: await addProject(api.database, mine.orgId),
    });
    const fresh = await another({ githubAppId: theirs.githubAppId });
    const repositoryId = await seed(api.database).repository({
      githubAppId: theirs.githubAppId,
      installationId: fresh.installationId,
      externalId: mine.repository,
    });
    expect(await rebind(fresh)).toBe(1);
    expect(await sourceOf()).toMatchObject({ integrationId: fresh.id, repositoryId });
    expect(await rebind(fresh)).toBe(0);
  });

  test('takes no apps from an existing integration or from another host', async () => {
    const theirs = await addEverything(api.database, {
      orgId: mine.orgId,
      projectId: await addProject(api.database, mine.orgId),
    });
    const fresh = await another({ githubAppId: theirs.githubAppId });
    const { githubAppId } = theirs;
    await seed(api.database).repository({
      githubAppId,
      installationId: fresh.installationId,
      externalId: mine.repository,
    });
    expect(await rebind(fresh)).toBe(0);
    await setStatus('deleted');
    const elsewhere = { host_url: 'https://github.acme.example' };
    await api.database.write((trx) => trx('github_apps').where({ id: githubAppId }).update(elsewhere));
    expect(await rebind(fresh)).toBe(0);
    expect((await sourceOf())?.integrationId).toBe(mine.integrationId);
  });
});
