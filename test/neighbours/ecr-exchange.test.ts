import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type RegistryStandIn, startRegistry } from '../../stand-ins/registry/stand-in.ts';
import type { Client } from '../support/client.ts';
import { registriesElsewhere } from '../support/fakes/clouds.ts';
import { type Moto, motoAccount, startMoto } from '../support/programs/moto.ts';
import { addOrg, addProject, addUser } from '../support/scenes/tenants.ts';
import { startWhole, type Whole } from '../support/scenes/whole.ts';

type Account = {
  id: string;
  status: string;
  config: Record<string, string>;
  setup: { external_id: string; trust_policy: string; permissions_policy: string };
};
type Integration = { id: string; status: string; status_reason: string | null };
type Verified = { operation: { status: string; error: { code: string } | null } };
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
/** The calls that set up moto: a user with a policy, Fairlead's identity, two roles with permissions, one without. */
const arrangements = 3 + 1 + 2 + 2 + 1;

let moto: Moto;
let aws: Awaited<ReturnType<typeof startCorrection>>;
let images: RegistryStandIn;
let whole: Whole;
let client: Client;
let where: { orgId: string; projectId: string };
const accounts = {} as Record<'ours' | 'theirs' | 'bare', Account>;

beforeAll(async () => {
  const access = [{ repository: '*', actions: ['pull' as const, 'push' as const] }];
  [moto, images] = await Promise.all([
    startMoto(arrangements),
    // moto has no registry to push to, so this one accepts the credentials that moto issues.
    startRegistry({ auth: 'basic', users: { AWS: { password, access } } }),
  ]);
  aws = await startCorrection(moto.url);
  const mayAssume = { Effect: 'Allow', Action: 'sts:AssumeRole', Resource: '*' };
  const platform = await moto.user('platform', JSON.stringify({ Version: '2012-10-17', Statement: [mayAssume] }));
  const endpoints = { sts: aws.url, ecr: aws.url };
  const elsewhere = { aws: { endpoints, ambient: async () => platform }, ...registriesElsewhere({ [host]: images }) };
  const settling = { forMs: 500, everyMs: 200 };
  whole = await startWhole(undefined, { clouds: { allowedHosts: [], elsewhere }, settling });
  const orgId = await addOrg(whole.database);
  where = { orgId, projectId: await addProject(whole.database, orgId) };
  client = whole.as((await addUser(whole.database, orgId, 'owner')).session);
  await arrange();
}, 120_000);
afterAll(async () => {
  await whole?.stop();
  await Promise.all([aws?.close(), moto?.end(), images?.close()]);
});
beforeEach(() => {
  aws.calls.length = 0;
  aws.corrects = true;
});

/** Does what a person does: names the role, and pastes the snippets that Fairlead returns into AWS. */
async function arrange(): Promise<void> {
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
  // A person pasted the policy of another account, with another external id.
  await moto.role('theirs', { trust: ours.setup.trust_policy, permissions: theirs.setup.permissions_policy });
  await moto.role('bare', { trust: bare.setup.trust_policy });
}

const wait = { prefer: 'wait=20' };

async function verify({ id }: Account): Promise<Verified['operation']> {
  return (await client.send<Verified>('POST', `/v1/cloud-accounts/${id}/verify`, undefined, wait)).body.operation;
}

/** Changes the account to another role, and returns how the verification of the change has ended. */
async function enterBy({ id }: Account, role: string): Promise<string> {
  const change = { config: { role_arn: arn(role) } };
  const path = `/v1/cloud-accounts/${id}`;
  const { body } = await client.send<{ operation: { status: string } }>('PATCH', path, change, wait);
  return body.operation.status;
}

/** Deletes the integrations, and connects the registry with the access of this account. */
async function connect({ id }: Account): Promise<Integration> {
  for (const { id: before } of await client.ask<Integration[]>('GET', '/v1/integrations')) {
    await client.send('DELETE', `/v1/integrations/${before}`, undefined, wait);
  }
  const body = { project_id: where.projectId, provider: 'ecr', registry: host, cloud_account_id: id };
  const answer = await client.send<Integration>('POST', '/v1/integrations', body, wait);
  expect(answer.status, JSON.stringify(answer.body)).toBe(201);
  aws.calls.length = 0;
  return answer.body;
}

/** Verifies the account whose role trusts Fairlead, and connects the registry with its access. */
async function connectOurs(): Promise<string> {
  expect(await verify(accounts.ours)).toMatchObject({ status: 'succeeded' });
  const { id, status } = await connect(accounts.ours);
  expect(status).toBe('active');
  return id;
}

const exchange = (integrationId: string, body: object = {}) =>
  client.send<Given>('POST', `/v1/projects/${where.projectId}/credentials/exchange`, {
    purpose: 'pull',
    integration_id: integrationId,
    repositories: ['acme/shop'],
    ...body,
  });
const actions = () => aws.calls.map(({ action }) => action);
const leases = (integrationId: string) => whole.database.reader('leases').where({ integration_id: integrationId });

describe('a registry that inherits the access of a role of moto with enforced permissions', () => {
  test('returns AWS’s credential for a session with our external id, and stores no secret', async () => {
    const id = await connectOurs();
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
    const { reader } = whole.database;
    expect(await reader('credentials').where({ integration_id: id })).toEqual([]);
    expect(await reader('credentials').where({ cloud_account_id: accounts.ours.id })).toEqual([]);
    expect(JSON.stringify(await reader('minted_tokens').where({ integration_id: id }))).not.toContain(password);
  });

  test('asks AWS once for a thousand concurrent requests', async () => {
    const id = await connectOurs();
    const all = await Promise.all(Array.from({ length: 1_000 }, () => exchange(id)));
    expect(new Set(all.map(({ status, body }) => `${status} ${body.username} ${body.password}`))).toEqual(
      new Set([`200 AWS ${password}`]),
    );
    expect(actions()).toEqual(once);
    expect(await leases(id)).toHaveLength(1_000);
  }, 120_000);

  test('returns 409 when the role expects another external id, and shows the reason', async () => {
    const code = 'assume_role_refused';
    expect(await verify(accounts.theirs)).toMatchObject({ status: 'failed', error: { code } });
    const { id, ...registry } = await connect(accounts.theirs);
    expect(registry).toMatchObject({ status: 'reauth_required', status_reason: code });
    expect(await exchange(id)).toMatchObject({ status: 409, body: { code: 'integration_unusable' } });
    expect(await leases(id)).toEqual([]);
  });

  test('returns 409 when AWS accepts the role but denies it a token, and shows the reason', async () => {
    expect(await verify(accounts.bare)).toMatchObject({ status: 'succeeded' });
    const { id, ...registry } = await connect(accounts.bare);
    expect(registry).toMatchObject({ status: 'reauth_required', status_reason: 'access_denied' });
    expect(await exchange(id)).toMatchObject({ status: 409, body: { code: 'integration_unusable' } });
    expect(await leases(id)).toEqual([]);
  });

  test('returns nothing that was created with a former role of its account', async () => {
    const { ours } = accounts;
    const id = await connectOurs();
    const asked = async () => {
      aws.calls.length = 0;
      const { status, body } = await exchange(id);
      return { status, code: body.code, actions: actions() };
    };
    expect(await asked()).toMatchObject({ status: 200, actions: once });
    const registry = async () => (await client.ask<Integration>('GET', `/v1/integrations/${id}`)).status;
    // The external id belongs to the account forever, and this role expects it.
    expect(await enterBy(ours, 'theirs')).toBe('succeeded');
    await settled();
    expect(await asked()).toMatchObject({ status: 200, actions: once });
    // A role that AWS refuses changes nothing, so the credential of the active one is still shared.
    expect(await enterBy(ours, 'bare')).toBe('failed');
    await settled();
    expect(await asked()).toMatchObject({ status: 200, actions: [] });
    expect(await enterBy(ours, 'ours')).toBe('succeeded');
    await expect.poll(registry, { timeout: 20_000 }).toBe('active');
    await settled();
    expect(await asked()).toMatchObject({ status: 200, actions: once });
  });

  test('returns nothing after its deletion, and no longer calls AWS', async () => {
    const id = await connectOurs();
    expect((await exchange(id)).status).toBe(200);
    aws.calls.length = 0;
    await client.ask('DELETE', `/v1/integrations/${id}`);
    for (const purpose of ['pull', 'push']) {
      expect(await exchange(id, { purpose })).toMatchObject({ status: 409, body: { code: 'integration_deleted' } });
    }
    expect(actions()).toEqual([]);
  });

  test('returns no expired credential: moto’s own tokens expired in 2015', async () => {
    const id = await connectOurs();
    aws.corrects = false;
    expect(await exchange(id)).toMatchObject({
      status: 502,
      body: { code: 'provider_unavailable', provider_code: 'unexpected' },
    });
    expect(actions()).toEqual(once);
    expect(await leases(id)).toEqual([]);
  });
});

/** Waits until every verification has ended, so that none of its calls mixes with those of an exchange. */
async function settled(): Promise<void> {
  const running = async () => whole.database.reader('operations').where({ status: 'running' }).select('id');
  await expect.poll(running, { timeout: 20_000 }).toEqual([]);
}

/** Forwards everything to moto and back, signatures included, and corrects only the expiry of tokens. */
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
