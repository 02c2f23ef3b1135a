import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { deletionActivities } from '../../../activities/deletion/deletion.ts';
import { createHookKeys } from '../../../api/deliveries/webhook-keys.ts';
import { storeDeliveries } from '../../../db/deliveries/store-deliveries.ts';
import { syncCommand } from '../../../db/github/installations.ts';
import { registerOperatorApp } from '../../../db/github/operator-app.ts';
import { allIncidents } from '../../../db/ops/incidents.ts';
import { githubAppSecrets } from '../../../db/secrets/github-app-secrets.ts';
import { startApi, type TestApi } from '../../support/api.ts';
import type { Client } from '../../support/client.ts';
import { keyring } from '../../support/hooks.ts';
import { rsaKeyPair } from '../../support/rsa-keys.ts';
import { seed } from '../../support/scenes/seed.ts';
import { addOrg, addProject, addToken } from '../../support/scenes/tenants.ts';

type Imported = { integration: { id: string }; set_on_github: { callback_url: string } };
type Tenant = { orgId: string; projectId: string; client: Client };

let api: TestApi;
let mine: Tenant;
let theirs: Tenant;
let appId = 88_000;

beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

beforeEach(async () => {
  appId += 1;
  [mine, theirs] = await Promise.all([tenant(), tenant()]);
});

async function tenant(): Promise<Tenant> {
  const orgId = await addOrg(api.database);
  const projectId = await addProject(api.database, orgId);
  return { orgId, projectId, client: api.as((await addToken(api.database, { orgId })).secret) };
}

const secret = () => randomBytes(60).toString('hex');
const imports = (who: Tenant, webhookSecret = secret(), projectId = who.projectId) =>
  who.client.send<Imported & { code: string }>('POST', '/v1/integrations/github/import', {
    project_id: projectId,
    app_id: appId,
    private_key: rsaKeyPair().privateKey,
    webhook_secret: webhookSecret,
    client_secret: secret(),
  });
const rowOf = (answer: { body: Imported }) => String(answer.body.set_on_github.callback_url.split('/').at(-1));

async function imported(who: Tenant, webhookSecret?: string): Promise<{ integrationId: string; githubAppId: string }> {
  const answer = await imports(who, webhookSecret);
  expect(answer.status).toBe(201);
  return { integrationId: answer.body.integration.id, githubAppId: rowOf(answer) };
}

const begin = (who: Tenant, id: string) => who.client.ask('DELETE', `/v1/integrations/${id}`);
const finish = (integrationId: string) =>
  deletionActivities({
    database: api.database,
    broker: { asApp: () => Promise.reject(new Error('not asked')) },
  }).finishDeletion({ integrationId, outcomes: ['none'] });

async function leave(who: Tenant, integrationId: string): Promise<void> {
  await begin(who, integrationId);
  await finish(integrationId);
}

/** Creates everything that depends on an App: an account, a repository and a delivery of its events. */
async function use({ orgId, projectId }: Tenant, githubAppId: string) {
  const rows = seed(api.database);
  const installationId = await rows.installation(githubAppId, appId, { org_id: orgId });
  const repositoryId = await rows.repository({ githubAppId, installationId, externalId: appId });
  const body = Buffer.from('{}');
  const delivery = { githubAppId, providerDeliveryId: secret(), event: 'push', contentKey: null, headers: {}, body };
  const [stored] = await api.database.write((trx) => storeDeliveries(trx, [delivery]));
  const deliveryId = stored?.id ?? '';
  await api.database.write((trx) => trx('deliveries').where({ id: deliveryId }).update({ org_id: orgId }));
  return { installationId, repositoryId, deliveryId, projectId };
}

const everythingOf = async (githubAppId: string) =>
  Promise.all(
    (['installations', 'repositories', 'deliveries'] as const).map(async (table) =>
      (await api.database.reader(table).where({ github_app_id: githubAppId })).map(({ id }) => id),
    ),
  );

describe('an App without integrations', () => {
  test('can be imported again by its organization, which keeps the data but not the old secrets', async () => {
    const [old, fresh] = [secret(), secret()];
    const { integrationId, githubAppId } = await imported(mine, old);
    const { installationId, repositoryId, deliveryId } = await use(mine, githubAppId);
    // The deletion needs the key until it has finished.
    await begin(mine, integrationId);
    expect(await imports(mine)).toMatchObject({ status: 409, body: { code: 'github_app_exists' } });
    await finish(integrationId);

    const again = await imported(mine, fresh);
    expect(again.githubAppId).toBe(githubAppId);
    expect(again.integrationId).not.toBe(integrationId);
    expect(await githubAppSecrets(api.database.reader, keyring).webhookSecrets(githubAppId)).toEqual([fresh]);
    expect(await everythingOf(githubAppId)).toEqual([[installationId], [repositoryId], [deliveryId]]);
    expect(await imports(mine)).toMatchObject({ status: 409, body: { code: 'github_app_exists' } });
  });

  test('gives another organization that imports it no old data', async () => {
    const [old, fresh] = [secret(), secret()];
    const { integrationId, githubAppId } = await imported(mine, old);
    const { installationId, repositoryId, deliveryId } = await use(mine, githubAppId);
    expect((await imports(theirs)).status).toBe(409);
    await leave(mine, integrationId);

    const taken = await imported(theirs, fresh);
    expect(taken.githubAppId).not.toBe(githubAppId);
    expect(await everythingOf(githubAppId)).toEqual([[installationId], [repositoryId], [deliveryId]]);
    expect(await everythingOf(taken.githubAppId)).toEqual([[], [], []]);
    const path = `/v1/integrations/${taken.integrationId}`;
    expect(await theirs.client.ask('GET', `${path}/installations?unbound=true`)).toEqual([]);
    expect(await theirs.client.ask('GET', `${path}/repositories`)).toEqual([]);
    expect(await theirs.client.ask('GET', '/v1/deliveries')).toEqual([]);
    expect(await mine.client.ask('GET', '/v1/deliveries')).toMatchObject([{ id: deliveryId }]);

    const secrets = githubAppSecrets(api.database.reader, keyring);
    expect(await secrets.webhookSecrets(githubAppId)).toEqual([]);
    expect(await secrets.webhookSecrets(taken.githubAppId)).toEqual([fresh]);
    const keys = await createHookKeys({ database: api.database, keyring }).keysFor({ targetId: String(appId) });
    expect(keys?.githubAppId).toBe(taken.githubAppId);
    expect(await createHookKeys({ database: api.database, keyring }).keysFor({ githubAppId })).toMatchObject({
      keys: [],
    });
    const audit = await api.database
      .reader('audit_events')
      .where({ target: githubAppId, action: 'github_app.retired' });
    expect(audit).toMatchObject([{ org_id: mine.orgId, actor: 'system' }]);

    // The first organization also gets no data of the second one.
    await leave(theirs, taken.integrationId);
    const back = await imported(mine);
    expect([githubAppId, taken.githubAppId]).not.toContain(back.githubAppId);
  });

  test('does not block a new import when the first integration was never created', async () => {
    const never = async (id: string) =>
      api.database.write((trx) => trx('integrations').where({ id }).update({ status: 'expired' }));
    const { integrationId, githubAppId } = await imported(mine);
    await never(integrationId);
    const fresh = secret();
    const again = await imported(mine, fresh);
    expect(again.githubAppId).toBe(githubAppId);
    const secrets = githubAppSecrets(api.database.reader, keyring);
    expect(await secrets.webhookSecrets(githubAppId)).toEqual([fresh]);
    await never(again.integrationId);
    await imported(theirs);
    expect(await secrets.webhookSecrets(githubAppId)).toEqual([]);
  });

  test('is imported by one of several organizations that try at the same time', async () => {
    const { integrationId } = await imported(mine);
    await leave(mine, integrationId);
    const answers = await Promise.all([mine, theirs, mine, theirs].map((who) => imports(who)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409]);
    const rows = await api.database.reader('github_apps').where({ app_id: appId, retired_at: null });
    expect(rows).toHaveLength(1);
  });

  test('can become the operator’s App, which nobody can import', async () => {
    const { integrationId, githubAppId } = await imported(mine);
    const {
      slug,
      host_url: hostUrl,
      api_url: apiUrl,
    } = (await api.database.reader('github_apps').where({ id: githubAppId }).first()) ?? {};
    const settings = { appId, slug: String(slug), hostUrl: String(hostUrl), apiUrl: String(apiUrl) };
    const secrets = { privateKey: secret(), webhookSecret: secret() };
    const register = () => registerOperatorApp(api.database, keyring, { ...settings, ...secrets }, syncCommand);
    await expect(register()).rejects.toThrow('delete its integration there first');
    await leave(mine, integrationId);

    const app = await register();
    expect(app.orgId).toBeNull();
    expect(app.id).not.toBe(githubAppId);
    expect((await register()).id).toBe(app.id);
    for (const who of [mine, theirs]) expect((await imports(who)).status).toBe(409);
  });
});

describe('an App that GitHub has rejected', () => {
  const reason = 'app_credentials_rejected' as const;

  async function refuse({ orgId }: Tenant, { integrationId, githubAppId }: Awaited<ReturnType<typeof imported>>) {
    const trouble = { code: reason, subjectId: githubAppId, title: 'The key does not fit', action: 'Rotate it' };
    await api.database.write(async (trx) => {
      await allIncidents(trx).raise({ orgId, projectId: null, ...trouble });
      const refused = { status: 'reauth_required' as const, status_reason: reason };
      await trx('integrations').where({ id: integrationId }).update(refused);
    });
  }

  test('works again with a valid key, and only in its own project', async () => {
    const fresh = secret();
    const known = await imported(mine);
    const { integrationId, githubAppId } = known;
    const usual = await imports(mine);
    expect(usual).toMatchObject({ status: 409, body: { code: 'github_app_exists' } });
    await refuse(mine, known);
    expect((await imports(theirs)).status).toBe(409);
    const beside = await addProject(api.database, mine.orgId);
    const foreign = await imports(mine, secret(), beside);
    expect(foreign).toMatchObject({ status: 409, body: { code: 'github_app_exists' } });

    const answer = await imports(mine, fresh);
    expect(answer).toMatchObject({ status: 201, body: { integration: { id: integrationId, status: 'active' } } });
    expect(rowOf(answer)).toBe(githubAppId);
    expect(await githubAppSecrets(api.database.reader, keyring).webhookSecrets(githubAppId)).toEqual([fresh]);
    const versions = await api.database
      .reader('credential_versions')
      .whereIn('credential_id', api.database.reader('credentials').where({ github_app_id: githubAppId }).select('id'))
      .whereNot({ status: 'purged' });
    expect(versions.map(({ status }) => status)).toEqual(['active', 'active', 'active']);
    const incident = await api.database.reader('incidents').where({ subject_id: githubAppId, code: reason });
    expect(incident).toMatchObject([{ status: 'resolved' }]);
  });

  test('cannot be imported while a rotation is in progress', async () => {
    const known = await imported(mine);
    await refuse(mine, known);
    const rotated = await mine.client.send('POST', `/v1/integrations/${known.integrationId}/credentials/rotate`, {
      kind: 'client_secret',
      client_secret: secret(),
    });
    expect(rotated.status).toBe(202);
    expect((await imports(mine)).status).toBe(409);
  });
});
