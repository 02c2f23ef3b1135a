import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { mintedTokensIn } from '../../../db/exchange/minted-tokens.ts';
import { allIntegrations } from '../../../db/integrations/integrations.ts';
import { commandsIn } from '../../../db/store/commands.ts';
import type { BuildStatus } from '../../../domain/builds/build-status.ts';
import { startApi, type TestApi } from '../../support/api.ts';
import { keyring } from '../../support/hooks.ts';
import { seed } from '../../support/scenes/seed.ts';
import { addEverything, addOrg, addProject, addToken, addUser, type Tenant } from '../../support/scenes/tenants.ts';

type Accepted = { operation: Record<string, unknown> & { id: string } };
type Client = ReturnType<TestApi['as']>;

let api: TestApi;
let mine: Tenant;
let client: Client;

beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

beforeEach(async () => {
  const orgId = await addOrg(api.database);
  mine = await addEverything(api.database, { orgId, projectId: await addProject(api.database, orgId) });
  client = api.as((await addUser(api.database, orgId, 'admin')).session);
});

const path = (query = '') => `/v1/integrations/${mine.integrationId}${query}`;
const build = (id = mine.buildId) => api.database.reader('builds').where({ id }).first();
const commandsOf = (workflowId: string) => api.database.reader('commands').where({ workflow_id: workflowId });

async function addBuild(status: BuildStatus): Promise<string> {
  const { id } = await mine.newBuild({ status: status === 'blocked' ? 'blocked' : 'queued' }, mine.pipelineId);
  await api.database.write((trx) => trx('builds').where({ id }).update({ status }));
  return id;
}

describe('a deletion', () => {
  test('cuts off all access before it responds', async () => {
    const blocked = await addBuild('blocked');
    const running = await addBuild('running');
    const answer = await client.send<Accepted>('DELETE', path());
    expect(answer.status).toBe(202);
    const workflowId = `delete/${mine.integrationId}`;
    expect(answer.body.operation).toMatchObject({
      kind: 'delete',
      subject_id: mine.integrationId,
      status: 'running',
      outcome: null,
      workflow_id: workflowId,
    });
    const row = await api.database.reader('integrations').where({ id: mine.integrationId }).first();
    expect(row).toMatchObject({ status: 'deleting', epoch: 1, revocation: 'auto' });
    const ended = { status: 'canceled', reason: 'integration_deleted' };
    expect(await build()).toMatchObject(ended);
    expect(await build(blocked)).toMatchObject(ended);
    expect(await build(running)).toMatchObject({ status: 'running' });
    expect(await commandsOf(`build/${running}`)).toContainEqual(
      expect.objectContaining({ action: 'signal', signal: 'canceled' }),
    );
    expect(await commandsOf(workflowId)).toMatchObject([{ action: 'start', workflow: 'deleteIntegration' }]);
    const audit = await api.database.reader('audit_events').where({ target: mine.integrationId });
    expect(audit).toMatchObject([{ action: 'integration.deletion_requested' }]);
    expect(JSON.parse(audit[0]?.detail ?? '')).toMatchObject({ revocation: 'auto', builds: 3 });
  });

  test('revokes issued credentials and tokens that were created but not issued', async () => {
    const { orgId, integrationId, installationId } = mine;
    const minted = {
      orgId,
      integrationId,
      installationId,
      token: `ghs_${'a'.repeat(36)}`,
      expiresAt: Date.now() + 1e6,
    };
    const id = await api.database.write((trx) => mintedTokensIn(trx).insert(minted, keyring));
    await client.send('DELETE', path());
    expect(await api.database.reader('minted_tokens').where({ id }).first()).toMatchObject({
      revoked_at: expect.any(Number),
    });
    const leases = await api.database.reader('leases').where({ integration_id: integrationId });
    expect(leases.every(({ status }) => status === 'revoked')).toBe(true);
    expect(await commandsOf(`revoke/${id}`)).toHaveLength(1);
  });

  test('returns the same operation when requested again, also after it has finished', async () => {
    const first = await client.ask<Accepted>('DELETE', path());
    const again = await client.ask<Accepted>('DELETE', path('?revocation=never&if_unused=true'));
    expect(again.operation).toMatchObject({ id: first.operation.id, status: 'running' });
    await api.database.write(async (trx) => {
      await allIntegrations(trx).moveStatus(mine.integrationId, 'deleted');
      await trx('integrations').where({ id: mine.integrationId }).update({ revocation_outcome: 'revoked' });
    });
    const late = await client.send<Accepted>('DELETE', path());
    expect(late.status).toBe(202);
    expect(late.body.operation).toMatchObject({ id: first.operation.id, outcome: 'revoked' });
    expect(await client.ask('GET', `/v1/operations/${first.operation.id}`)).toMatchObject({
      operation: { outcome: 'revoked' },
    });
    expect(await commandsOf(`delete/${mine.integrationId}`)).toHaveLength(1);
  });

  test('runs once when requested several times at the same time', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => client.ask<Accepted>('DELETE', path())));
    expect(new Set(answers.map(({ operation }) => operation.id)).size).toBe(1);
    expect(await commandsOf(`delete/${mine.integrationId}`)).toHaveLength(1);
  });

  test('is rejected while the integration is in use, if the caller asks for that', async () => {
    const refused = await client.send<Record<string, unknown>>('DELETE', path('?if_unused=true'));
    expect(refused).toMatchObject({ status: 409, body: { code: 'integration_in_use' } });
    expect(refused.body['apps']).toMatchObject([{ id: mine.appId, project_id: mine.projectId }]);
    expect((await api.database.reader('integrations').where({ id: mine.integrationId }).first())?.status).toBe(
      'active',
    );
    expect((await client.send('DELETE', `/v1/apps/${mine.appId}`)).status).toBe(204);
    expect((await client.send('DELETE', path('?if_unused=true'))).status).toBe(202);
  });

  test('that revokes an installation used by others requires the organization’s owner', async () => {
    expect((await client.send('DELETE', path('?revocation=always'))).status).toBe(403);
    const ofProject = api.as((await addToken(api.database, mine)).secret);
    expect((await ofProject.send('DELETE', path('?revocation=always'))).status).toBe(403);
    const owner = api.as((await addUser(api.database, mine.orgId, 'owner')).session);
    expect((await owner.send('DELETE', path('?revocation=always'))).status).toBe(202);
    const row = await api.database.reader('integrations').where({ id: mine.integrationId }).first();
    expect(row?.revocation).toBe('always');
  });

  test('ends the flow that would connect another account', async () => {
    const { flowId, integrationId } = mine;
    const waiting = { integration_id: integrationId, status: 'install_pending' as const };
    await api.database.write((trx) => trx('connect_flows').where({ id: flowId }).update(waiting));
    await client.send('DELETE', path());
    const flow = await api.database.reader('connect_flows').where({ id: flowId }).first();
    expect(flow).toMatchObject({ status: 'canceled', reason: 'integration_deleted' });
    expect(await commandsIn(api.database.reader).hasDue()).toBe(true);
  });
});

describe('the deletion impact', () => {
  test('lists what the deletion would end, and ends nothing', async () => {
    const other = await addProject(api.database, mine.orgId);
    const impact = await client.ask<Record<string, unknown>>('GET', path('/impact'));
    expect(impact).toMatchObject({
      integration_id: mine.integrationId,
      in_use: true,
      apps: [{ id: mine.appId, project_id: mine.projectId }],
      app_count: 1,
      pipeline_count: 1,
      unended_builds: 1,
      installations: [{ installation_id: mine.installation, other_integrations: 0, would_be_uninstalled: true }],
      would_uninstall: true,
    });
    const { orgId, githubAppId, installationId } = mine;
    await seed(api.database).integration({ orgId, projectId: other, githubAppId, installationId });
    expect(await client.ask('GET', path('/impact'))).toMatchObject({
      installations: [{ other_integrations: 1, other_projects: 1, would_be_uninstalled: false }],
      would_uninstall: false,
    });
    expect(await client.ask('GET', path('/impact?revocation=always'))).toMatchObject({ would_uninstall: true });
    expect((await api.database.reader('integrations').where({ id: mine.integrationId }).first())?.epoch).toBe(0);
  });
});
