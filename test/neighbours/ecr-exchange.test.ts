import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { cloudAccountsIn } from '../../db/cloud-accounts.ts';
import { everything } from '../../db/tenant.ts';
import { createAws } from '../../providers/clouds/aws.ts';
import { startApi, type TestApi } from '../support/api.ts';
import type { Client } from '../support/client.ts';
import { openTestDatabase, type TestDatabase } from '../support/database.ts';
import { type Moto, motoAccount, startMoto } from '../support/moto.ts';
import { registryScene } from '../support/registry-scene.ts';
import { seed } from '../support/seed.ts';
import { addOrg, addProject, addUser } from '../support/tenants.ts';

type Account = {
  id: string;
  config: Record<string, string>;
  setup: { external_id: string; trust_policy: string; permissions_policy: string };
};
type Given = {
  code?: string;
  provider_code?: string;
  username?: string;
  password?: string;
  docker_config?: { auths: Record<string, { auth: string }> };
  expires_at: number;
  effective_scope: { repositories: string[]; narrowed_to: string; static: boolean };
};

const host = `${motoAccount}.dkr.ecr.eu-west-1.amazonaws.com`;
const password = `${motoAccount}-auth-token`;
const arn = (name: string) => `arn:aws:iam::${motoAccount}:role/${name}`;
const once = ['AssumeRole', 'GetAuthorizationToken'];
/** A user with a policy, two roles with permissions and one without. */
const arrangements = 3 + 2 + 2 + 1;

let moto: Moto;
let aws: Awaited<ReturnType<typeof startCorrection>>;
let database: TestDatabase;
let api: TestApi;
let client: Client;
let where: { orgId: string; projectId: string };
const accounts = {} as Record<'ours' | 'theirs' | 'bare', Account>;

beforeAll(async () => {
  [moto, database] = await Promise.all([startMoto(arrangements), openTestDatabase()]);
  aws = await startCorrection(moto.url);
  const mayAssume = { Effect: 'Allow', Action: 'sts:AssumeRole', Resource: '*' };
  const platform = await moto.user('platform', JSON.stringify({ Version: '2012-10-17', Statement: [mayAssume] }));
  const endpoints = { sts: aws.url, ecr: aws.url };
  const { exchange } = registryScene(database, { aws: createAws({ endpoints, ambient: async () => platform }) });
  const principal = `arn:aws:iam::${motoAccount}:user/platform`;
  api = await startApi({
    database,
    registryExchange: exchange,
    cloudAccounts: { awsIdentity: 'assume', principal: async () => principal },
  });
  const orgId = await addOrg(database);
  where = { orgId, projectId: await addProject(database, orgId) };
  client = api.as((await addUser(database, orgId, 'owner')).session);

  // What a person does: say which role, and paste what comes back into AWS.
  for (const name of ['ours', 'theirs', 'bare'] as const) {
    accounts[name] = await client.ask<Account>('POST', '/v1/cloud-accounts', {
      project_id: where.projectId,
      kind: 'aws',
      auth_mode: 'assume_role',
      display_name: name,
      config: { role_arn: arn(name) },
    });
  }
  const { ours, theirs, bare } = accounts;
  await moto.role('ours', { trust: ours.setup.trust_policy, permissions: ours.setup.permissions_policy });
  // Somebody has pasted what was made for another account: it names another external id.
  await moto.role('theirs', { trust: ours.setup.trust_policy, permissions: theirs.setup.permissions_policy });
  await moto.role('bare', { trust: bare.setup.trust_policy });
  for (const account of Object.values(accounts)) await confirm(account);
}, 120_000);
afterAll(async () => {
  await api?.stop();
  await aws?.close();
  await moto?.end();
});
beforeEach(() => {
  aws.calls.length = 0;
  aws.corrects = true;
});

/** What the verification of a cloud account comes to, which is not this test's. */
async function confirm({ id }: Account): Promise<void> {
  await database.write(async (trx) => {
    const clouds = cloudAccountsIn(trx, everything);
    const account = await clouds.find(id);
    if (!account || !(await clouds.moveStatus(account, 'active'))) throw new Error('There is no such cloud account');
  });
}

/** Another role, confirmed as well. */
async function enterBy(account: Account, role: string): Promise<void> {
  await client.ask('PATCH', `/v1/cloud-accounts/${account.id}`, { config: { role_arn: arn(role) } });
  await confirm(account);
}

/** A registry that inherits the access of one of the accounts. */
const registryOf = ({ id }: Account) =>
  seed(database).registry(where, {
    kind: 'ecr',
    host_url: `https://${host}`,
    auth_mode: 'cloud_account',
    cloud_account_id: id,
    settings: JSON.stringify({ registry: host }),
  });
const exchange = (integrationId: string, body: object = {}) =>
  client.send<Given>('POST', `/v1/projects/${where.projectId}/credentials/exchange`, {
    purpose: 'pull',
    integration_id: integrationId,
    repositories: ['acme/shop'],
    ...body,
  });
const actions = () => aws.calls.map(({ action }) => action);
const leases = (integrationId: string) => database.reader('leases').where({ integration_id: integrationId });

describe('a registry that inherits the access of a role of moto, which asks for rights', () => {
  test('gives what AWS makes for a session of the role, under the external id of our making, and keeps no secret', async () => {
    const id = await registryOf(accounts.ours);
    const given = await exchange(id, { purpose: 'push' });
    expect(given).toMatchObject({
      status: 200,
      body: {
        username: 'AWS',
        password,
        effective_scope: { repositories: ['acme/shop'], narrowed_to: 'repository', static: false },
      },
    });
    const seconds = given.body.expires_at - Date.now() / 1000;
    expect(seconds).toBeGreaterThan(50 * 60);
    expect(seconds).toBeLessThanOrEqual(12 * 3600);
    expect(actions()).toEqual(once);
    const [{ fields } = { fields: {} as Record<string, string> }] = aws.calls;
    expect(fields).toMatchObject({
      RoleArn: arn('ours'),
      ExternalId: accounts.ours.setup.external_id,
      RoleSessionName: id,
    });
    expect(accounts.ours.setup.external_id).not.toBe(accounts.theirs.setup.external_id);
    expect(fields['Policy']).toContain(`:repository/acme/shop`);

    const { auths } = (await exchange(id, { purpose: 'push', format: 'docker_config' })).body.docker_config ?? {};
    expect(auths).toEqual({ [host]: { auth: Buffer.from(`AWS:${password}`).toString('base64') } });
    expect(await exchange(id, { format: 'bearer' })).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect(await database.reader('credentials').where({ integration_id: id })).toEqual([]);
    expect(await database.reader('credentials').where({ cloud_account_id: accounts.ours.id })).toEqual([]);
    expect(JSON.stringify(await database.reader('minted_tokens').where({ integration_id: id }))).not.toContain(
      password,
    );
  });

  test('is asked once where a thousand ask for the same at once', async () => {
    const id = await registryOf(accounts.ours);
    const all = await Promise.all(Array.from({ length: 1_000 }, () => exchange(id)));
    expect(new Set(all.map(({ status, body }) => `${status} ${body.username} ${body.password}`))).toEqual(
      new Set([`200 AWS ${password}`]),
    );
    expect(actions()).toEqual(once);
    expect(await leases(id)).toHaveLength(1_000);
  }, 120_000);

  test('names the refusal where the role expects another external id', async () => {
    const id = await registryOf(accounts.theirs);
    expect(await exchange(id)).toMatchObject({
      status: 422,
      body: { code: 'credential_rejected', provider_code: 'assume_role_refused' },
    });
    expect(actions()).toEqual(['AssumeRole']);
    expect(await leases(id)).toEqual([]);
  });

  test('names the refusal where the role may not get a token', async () => {
    const id = await registryOf(accounts.bare);
    expect(await exchange(id)).toMatchObject({
      status: 422,
      body: { code: 'credential_rejected', provider_code: 'access_denied' },
    });
    expect(actions()).toEqual(once);
  });

  test('gives nothing that was made with a role that its account has no more', async () => {
    const { ours } = accounts;
    const id = await registryOf(ours);
    expect((await exchange(id)).status).toBe(200);
    await enterBy(ours, 'theirs');
    // The external id is the account's for good: it is the one that this role expects.
    expect((await exchange(id)).status).toBe(200);
    expect(actions()).toEqual([...once, ...once]);
    await enterBy(ours, 'bare');
    expect(await exchange(id)).toMatchObject({ status: 422, body: { provider_code: 'assume_role_refused' } });
    await enterBy(ours, 'ours');
  });

  test('gives nothing after it was deleted, and asks AWS no more', async () => {
    const id = await registryOf(accounts.ours);
    expect((await exchange(id)).status).toBe(200);
    aws.calls.length = 0;
    await client.ask('DELETE', `/v1/integrations/${id}`);
    for (const purpose of ['pull', 'push']) {
      expect(await exchange(id, { purpose })).toMatchObject({ status: 409, body: { code: 'integration_deleted' } });
    }
    expect(actions()).toEqual([]);
  });

  test('gives to nobody what is over already: moto’s own tokens have ended in 2015', async () => {
    aws.corrects = false;
    const id = await registryOf(accounts.ours);
    expect(await exchange(id)).toMatchObject({
      status: 502,
      body: { code: 'provider_unavailable', provider_code: 'unexpected' },
    });
    expect(actions()).toEqual(once);
    expect(await leases(id)).toEqual([]);
  });
});

/** Passes everything on to moto and back, signatures and all, and corrects one thing: when a token ends. */
async function startCorrection(url: string) {
  const calls: { action: string; fields: Record<string, string> }[] = [];
  const correction = { calls, corrects: true, url: '', close: async () => {} };
  const server = createServer((incoming, outgoing) => {
    const { method, headers, url: path = '/' } = incoming;
    const body: Buffer[] = [];
    const onward = request(new URL(path, url), { method, headers }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('end', () => {
        const { 'content-length': _, ...rest } = answer.headers;
        const text = String(Buffer.concat(parts));
        const ends = Math.floor(Date.now() / 1000) + 12 * 3600;
        const corrected = correction.corrects ? text.replace(/"expiresAt":\s*[\d.]+/, `"expiresAt":${ends}`) : text;
        outgoing.writeHead(answer.statusCode ?? 500, rest).end(corrected);
      });
    });
    onward.on('error', () => outgoing.destroy());
    incoming.on('data', (part: Buffer) => body.push(part));
    incoming.on('end', () => {
      const target = headers['x-amz-target'];
      const fields = Object.fromEntries(new URLSearchParams(target ? '' : String(Buffer.concat(body))));
      calls.push({ action: String(target ?? fields['Action']).replace(/^.*\./, ''), fields });
      onward.end(Buffer.concat(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(correction, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close(): Promise<void> {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}
