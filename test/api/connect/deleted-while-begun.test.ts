import { expect, test } from 'vitest';
import { startFlow } from '../../../api/connect/start-flow.ts';
import { deleteOrg, deleteProject } from '../../../db/deletion/owner-deletion.ts';
import { everything } from '../../../db/store/tenant.ts';
import { publicUrl } from '../../support/api.ts';
import { pause, useDeletionScene } from '../../support/scenes/deletion-scene.ts';
import { addProject } from '../../support/scenes/tenants.ts';

// A request creates something while its project or organization is being deleted. One transaction waits for the other.

const scene = useDeletionScene();
const owned = () => ({ orgId: scene.owner.orgId, revocation: 'auto' as const, audit: async () => {} });
const unfinished = () => scene.database.reader('connect_flows').where({ org_id: scene.owner.orgId, finished_at: null });

/** Commits the deletion after the request has gone as far as it can. */
async function asked(deleting: 'project' | 'org', path: string, body: object) {
  let answer: ReturnType<typeof scene.api.admin.send> | undefined;
  await scene.database.write(async (trx) => {
    if (deleting === 'org') await deleteOrg(trx, owned());
    else await deleteProject(trx, scene.owner.projectId, owned());
    answer = scene.api.admin.send('POST', path, body);
    await Promise.race([answer, pause()]);
  });
  return answer;
}

test.each([
  ['project', (): object => ({ project_id: scene.owner.projectId })],
  ['org', (): object => ({ org_id: scene.owner.orgId })],
] as const)('rejects a flow that starts while its %s is being deleted', async (of, whose) => {
  const body = { app: 'operator', ...whose() };
  expect(await asked(of, '/v1/integrations/github/start', body)).toMatchObject({ status: 404 });
  expect(await unfinished()).toEqual([]);
});

test('rejects a token, an app and a project that are created during the deletion', async () => {
  const { orgId, projectId } = scene.owner;
  const token = { org_id: orgId, project_id: projectId, name: 'late', scopes: ['projects:read'] };
  expect(await asked('project', '/v1/tokens', token)).toMatchObject({ status: 404 });
  scene.owner = { orgId, projectId: await addProject(scene.database, orgId) };
  const path = `/v1/projects/${scene.owner.projectId}/apps`;
  expect(await asked('project', path, { name: 'late' })).toMatchObject({ status: 404 });
  expect(await asked('org', '/v1/projects', { org_id: orgId, name: 'late' })).toMatchObject({ status: 404 });
});

test.each(['project', 'org'] as const)('ends a flow that has just started with its %s', async (of) => {
  const { orgId, projectId } = scene.owner;
  const connect = {
    allowedHosts: [scene.github.url],
    redirectOrigins: [],
    defaultHost: { hostUrl: scene.github.url, apiUrl: scene.github.apiUrl },
  };
  const caller = { id: 'operator', kind: 'operator' as const, grants: [], ops: true };
  const body = {
    app: 'operator' as const,
    public: false,
    ...(of === 'org' ? { org_id: orgId } : { project_id: projectId }),
  };
  let deletion: ReturnType<typeof scene.api.admin.send> | undefined;
  await scene.database.write(async (trx) => {
    await startFlow(trx, { connect: connect as never, publicUrl }, { tenant: everything, caller }, body);
    deletion = scene.api.admin.send('DELETE', of === 'org' ? `/v1/orgs/${orgId}` : `/v1/projects/${projectId}`);
    await Promise.race([deletion, pause()]);
  });
  expect(await deletion).toMatchObject({ status: 202 });
  expect(await unfinished()).toEqual([]);
});

test('binds nothing to a deleted project', async () => {
  const { flow, steps, find } = await scene.signedIn();
  await scene.database.write((trx) => trx('projects').where({ id: scene.owner.projectId }).update({ deleted_at: 1 }));
  await steps.bindInstallation({ flowId: flow.id });
  expect(await find()).toMatchObject({ status: 'canceled', reason: 'integration_deleted' });
  expect(await scene.integrations()).toEqual([]);
});
