import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Endpoint } from '../../../api/http/endpoint.ts';
import { flowStatesIn } from '../../../db/connect/flow-states.ts';
import { allGrants } from '../../../db/integrations/grants.ts';
import { createSignInCode } from '../../../db/people/bootstrap.ts';
import { credentialsIn } from '../../../db/secrets/credentials.ts';
import { githubAppSecrets } from '../../../db/secrets/github-app-secrets.ts';
import { rotationsIn } from '../../../db/secrets/rotations.ts';
import { adminToken, startApi, type TestApi } from '../../support/api.ts';
import { bodyOf, pathOf } from '../../support/canaries/sweep.ts';
import { keyring } from '../../support/hooks.ts';
import { addEverything, addOrg, addProject, addToken, addUser, type Tenant } from '../../support/scenes/tenants.ts';

let api: TestApi;

beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

type Sent = { path: string; body?: unknown; token?: string };
type Owner = Tenant & { tokenId: string };

/** The rows and the body that a mutation needs in addition to the usual ones, or in place of them. */
const arrangements: Record<string, (tenant: Owner, usual: Sent) => Promise<Sent>> = {
  async createSession(tenant) {
    const user = await addUser(api.database, tenant.orgId, 'owner');
    return { path: '/v1/sessions', body: { code: await createSignInCode(api.database, user.id) } };
  },
  async deleteSession(tenant, usual) {
    return { ...usual, token: (await addUser(api.database, tenant.orgId, 'owner')).session };
  },
  async syncInstallations({ orgId, githubAppId }, usual) {
    // The operation syncs every App of the operator, so there must be only one.
    const others = api.database.reader('github_apps').whereNot({ id: githubAppId }).select('id');
    await api.database.write((trx) => trx('github_apps').whereIn('id', others).update({ org_id: orgId }));
    return usual;
  },
  async verifyIntegration({ registryId }, usual) {
    return { ...usual, path: `/v1/integrations/${registryId}/verify` };
  },
  async deleteProject({ orgId }) {
    return { path: `/v1/projects/${await addProject(api.database, orgId)}` };
  },
  async grantIntegration({ orgId, integrationId }, usual) {
    const ofOrg = { project_id: null, owner_id: orgId };
    await api.database.write((trx) => trx('integrations').where({ id: integrationId }).update(ofOrg));
    return usual;
  },
  async revokeGrant({ orgId, projectId, integrationId }, usual) {
    await api.database.write(async (trx) => {
      await trx('integrations').where({ id: integrationId }).update({ project_id: null, owner_id: orgId });
      const grant = { id: integrationId, orgId };
      await allGrants(trx).add(grant, { projectId, createdBy: 'system' });
    });
    return usual;
  },
  async adoptInstallation({ orgId, githubAppId, installation }, usual) {
    await api.database.write(async (trx) => {
      await trx('github_apps').where({ id: githubAppId }).update({ org_id: orgId, client_id: 'Iv1.own' });
      await githubAppSecrets(trx, keyring).put(githubAppId, orgId, 'client_secret', 'a client secret of their own');
    });
    return { ...usual, body: { installation_id: installation } };
  },
  async reauthorizeIntegration({ orgId, githubAppId }, usual) {
    await api.database.write(async (trx) => {
      await trx('github_apps').where({ id: githubAppId }).update({ client_id: 'Iv1.own' });
      const secrets = githubAppSecrets(trx, keyring);
      await secrets.put(githubAppId, orgId, 'client_secret', 'a client secret of their own');
      await secrets.put(githubAppId, orgId, 'private_key', 'a private key of their own');
    });
    return usual;
  },
  async completeGithubFlow({ flowId }, usual) {
    const state = await api.database.write(async (trx) => {
      await trx('connect_flows').where({ id: flowId }).update({ status: 'page_served', created_by: 'operator' });
      return flowStatesIn(trx).issue(flowId, 'manifest');
    });
    return { ...usual, body: { state, code: 'a-code-of-github' } };
  },
  async confirmFlow({ flowId }, usual) {
    const approved = { status: 'awaiting_approval' as const, github_user_id: 1, approved_installation: 2 };
    const flow = { ...approved, created_by: 'operator' };
    await api.database.write((trx) => trx('connect_flows').where({ id: flowId }).update(flow));
    return usual;
  },
  async rotateCredential(tenant, usual) {
    await giveOwnApp(tenant);
    return usual;
  },
  async rollbackCredential(tenant, usual) {
    await giveOwnApp(tenant);
    const { orgId, projectId, integrationId, githubAppId, operationId } = tenant;
    await api.database.write(async (trx) => {
      const credential = await credentialsIn(trx).takeOf(githubAppId, 'webhook_secret');
      const begun = await rotationsIn(trx).insert({
        ...{ orgId, projectId, integrationId, operationId },
        credentialId: credential?.id ?? '',
        mode: 'auto',
        newVersion: 1,
        oldVersion: 0,
        requestedBy: 'operator',
      });
      await rotationsIn(trx).move(begun?.id ?? '', 'overlapping');
    });
    return usual;
  },
  async rollbackCloudAccount(_, usual) {
    const id = usual.path.split('/')[3] ?? '';
    const previous = { previous_config: '{}', previous_at: Date.now() };
    await api.database.write((trx) => trx('cloud_accounts').where({ id }).update(previous));
    return usual;
  },
  async rerunBuild({ buildId }, usual) {
    const ended = { status: 'failed' as const, finished_at: Date.now() };
    await api.database.write((trx) => trx('builds').where({ id: buildId }).update(ended));
    return usual;
  },
};

/** Makes the App the organization's own and gives it a secret. */
async function giveOwnApp({ orgId, githubAppId }: Owner): Promise<void> {
  await api.database.write(async (trx) => {
    await trx('github_apps').where({ id: githubAppId }).update({ org_id: orgId });
    await githubAppSecrets(trx, keyring).put(githubAppId, orgId, 'webhook_secret', 'a webhook secret of their own');
  });
}

async function prepare(endpoint: Endpoint): Promise<Sent> {
  const orgId = await addOrg(api.database);
  const where = { orgId, projectId: await addProject(api.database, orgId) };
  const tenant = { ...(await addEverything(api.database, where)), tokenId: (await addToken(api.database, where)).id };
  const usual = { path: pathOf(endpoint, tenant), body: bodyOf(endpoint, tenant) };
  return (await arrangements[endpoint.operationId]?.(tenant, usual)) ?? usual;
}

const send = (endpoint: Endpoint, { path, body, token = adminToken }: Sent, requestId: string) =>
  api.as(token).send(endpoint.method.toUpperCase(), path, body, { 'x-request-id': requestId });

const mutations = () => api.endpoints.filter(({ write }) => write);

/** The tables that no request changes. */
const apart = ['knex_migrations', 'knex_migrations_lock'];

/** Asks the database for the names of all tables, so the tests also compare tables that are added later. */
async function everyTable(): Promise<string[]> {
  const { reader, dialect } = api.database;
  const named: { name: string }[] =
    dialect === 'sqlite'
      ? await reader.raw(`select name from sqlite_master where type = 'table' and name not like 'sqlite_%'`)
      : (await reader.raw(`select tablename as name from pg_tables where schemaname = current_schema()`)).rows;
  return named.map(({ name }) => name).filter((name) => !apart.includes(name));
}

/** Returns every row, without the times at which tokens were used: no audited action writes these. */
async function everyRow(): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for (const table of await everyTable()) {
    const rows: Record<string, unknown>[] = await api.database.reader(table as 'tokens');
    found[table] = sorted(table === 'tokens' ? rows.map(({ last_used_at: _, ...row }) => row) : rows);
  }
  return found;
}

const sorted = (rows: object[]) => rows.map((row) => JSON.stringify(row)).sort();

test('Every endpoint that changes something uses `write`, or is a known raw route', () => {
  const others = api.endpoints.filter(({ method, write }) => method !== 'get' && !write);
  expect(others.map(({ operationId }) => operationId).sort()).toEqual([
    'beginFlow',
    'beginGoogleConsent',
    'checkPipeline',
    'postSignIn',
    'pressAccount',
    'pressCancel',
    'pressCheck',
    'pressConfirm',
    'pressInstall',
    'receiveGithubAppWebhook',
    'receiveGithubWebhook',
  ]);
});

/** Deleting an organization also deletes its project and its two integrations. Every other operation leaves one row. */
const deletedIntegration = 'integration.deletion_requested';
const severalRows: Record<string, string[]> = {
  deleteOrg: ['cloud_account.deleted', deletedIntegration, deletedIntegration, 'org.deleted', 'project.deleted'],
};

test('Every mutation writes one audit row for each thing it changes, with the actor, the action and the address', async () => {
  for (const endpoint of mutations()) {
    const { operationId } = endpoint;
    const sent = await prepare(endpoint);
    const requestId = `audit-${operationId}`;
    const answer = await send(endpoint, sent, requestId);
    expect(answer.status, `${operationId}: ${JSON.stringify(answer.body)}`).toBeLessThan(300);
    const rows = await api.database.reader('audit_events').where({ request_id: requestId });
    const actions = rows.map(({ action }) => action).sort();
    const expected = severalRows[operationId] ?? [expect.stringMatching(/^[a-z_]+\.[a-z_]+$/)];
    expect(actions, operationId).toEqual(expected);
    expect(new Set(rows.map(({ target }) => target)).size, operationId).toBe(rows.length);
    for (const row of rows) {
      expect(row.target, operationId).toMatch(/^[a-z]+_[0-9a-z]{26}$/);
      expect(row.actor, operationId).toMatch(/^operator$|^user:user_/);
      expect(row.ip, operationId).toContain('127.0.0.1');
    }
  }
});

test('A rejected request changes no row in any table', async () => {
  const orgId = await addOrg(api.database);
  const { session } = await addUser(api.database, orgId, 'viewer');
  const before = await everyRow();
  expect((await api.as(session).send('POST', '/v1/projects', { org_id: orgId, name: 'x' })).status).toBe(403);
  expect((await api.admin.send('PATCH', `/v1/orgs/${orgId}`, { name: 'x' }, { 'if-match': '"9"' })).status).toBe(412);
  expect(await everyRow()).toEqual(before);
  expect(Object.keys(before)).toEqual(expect.arrayContaining(['audit_events', 'commands', 'projects']));
});

test('The sign-in form also writes its audit row', async () => {
  const { id } = await addUser(api.database, await addOrg(api.database), 'owner');
  const body = new URLSearchParams({ code: await createSignInCode(api.database, id) });
  expect((await fetch(`${api.url}/sign-in`, { method: 'POST', body })).status).toBe(200);
  const rows = await api.database.reader('audit_events').where({ actor: `user:${id}`, action: 'session.created' });
  expect(rows).toHaveLength(1);
});

describe('if the audit log cannot be written', () => {
  beforeAll(async () => {
    const refuse =
      api.database.dialect === 'sqlite'
        ? [`create trigger no_audit before insert on audit_events begin select raise(abort, 'no'); end`]
        : [
            `create function no_audit() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$`,
            'create trigger no_audit before insert on audit_events for each row execute function no_audit()',
          ];
    for (const statement of refuse) await api.database.write((trx) => trx.raw(statement));
  });

  test('nothing is changed', { timeout: 60_000 }, async () => {
    for (const endpoint of mutations()) {
      const sent = await prepare(endpoint);
      const before = await everyRow();
      const answer = await send(endpoint, sent, `refused-${endpoint.operationId}`);
      expect(answer.status, endpoint.operationId).toBeGreaterThanOrEqual(500);
      expect(await everyRow(), endpoint.operationId).toEqual(before);
    }
  });
});
