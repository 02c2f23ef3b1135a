import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { promoteAccess } from '../../../db/clouds/cloud-access.ts';
import { allCloudAccounts, type CloudAccount } from '../../../db/clouds/cloud-accounts.ts';
import { sealedSecrets } from '../../../db/secrets/sealed-secrets.ts';
import { ownIdentity, publicUrl, startApi, type TestApi } from '../../support/api.ts';
import type { Client } from '../../support/client.ts';
import { keyring } from '../../support/hooks.ts';
import { rsaKeyObjects } from '../../support/rsa-keys.ts';
import { seed } from '../../support/scenes/seed.ts';
import { addOrg, addProject, addToken, addUser } from '../../support/scenes/tenants.ts';

type Setup = {
  issuer: { url: string; subject: string; audience: string } | null;
  external_id: string | null;
  trust_policy: string | null;
  permissions_policy: string | null;
  commands: string | null;
  notes: string[];
};
type View = Record<string, unknown> & { id: string; config: Record<string, string>; status: string; setup: Setup };

let api: TestApi;
let orgId: string;
let projectId: string;
let client: Client;

const privateKey = rsaKeyObjects().privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const pool = 'projects/123456/locations/global/workloadIdentityPools/fairlead/providers/fairlead';
const tenantId = '6d0a4c4e-9ac1-4d0e-8e0d-111111111111';
const clientId = '6d0a4c4e-9ac1-4d0e-8e0d-222222222222';
const keyFile = {
  type: 'service_account',
  project_id: 'acme-images',
  private_key_id: '1234',
  private_key: privateKey,
  client_email: 'fairlead@acme-images.iam.gserviceaccount.com',
  token_uri: 'https://attacker.example.com/token',
};

const role = {
  kind: 'aws',
  auth_mode: 'assume_role',
  config: { role_arn: 'arn:aws:iam::123456789012:role/ci/fairlead' },
};
const accessKey = {
  kind: 'aws',
  auth_mode: 'access_key',
  config: { access_key_id: 'AKIAIOSFODNN7EXAMPLE', account_id: '123456789012' },
  credentials: { secret_access_key: 'wJalr$\' "(:\\n/K7MDENG+bPxRfi' },
};
const federation = { kind: 'gcp', auth_mode: 'workload_identity', config: { provider: pool } };
const keyed = { kind: 'gcp', auth_mode: 'service_account_key', credentials: { key: JSON.stringify(keyFile) } };
const app = { kind: 'azure', auth_mode: 'federated', config: { tenant_id: tenantId, client_id: clientId } };
const secretApp = { ...app, auth_mode: 'client_secret', credentials: { client_secret: 'a-secret-of-the-app' } };

beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());
beforeEach(async () => {
  orgId = await addOrg(api.database);
  projectId = await addProject(api.database, orgId);
  client = api.as((await addUser(api.database, orgId, 'owner')).session);
});

const make = (what: object) =>
  client.ask<View>('POST', '/v1/cloud-accounts', { project_id: projectId, display_name: 'Cloud', ...what });
const refused = (what: object) =>
  client.send<{ code: string; detail: string }>('POST', '/v1/cloud-accounts', {
    project_id: projectId,
    display_name: 'Cloud',
    ...what,
  });
const secretsOf = (account: string) =>
  api.database
    .reader('credential_versions')
    .join('credentials', 'credentials.id', 'credential_versions.credential_id')
    .where({ cloud_account_id: account })
    .orderBy('version')
    .select('status', 'sealed');

describe('a cloud account', () => {
  test('shows the trust policy for an AWS role, with an external ID that Fairlead generates', async () => {
    const { id, config, setup, ...made } = await make(role);
    expect(made).toMatchObject({ kind: 'aws', status: 'pending', status_reason: null, discouraged: false });
    expect(config).toEqual({ ...role.config, account_id: '123456789012', external_id: setup.external_id });
    expect(config['external_id']).toMatch(/^[\w-]{43}$/);
    const trust = JSON.parse(setup.trust_policy ?? '');
    expect(trust.Statement[0]).toMatchObject({
      Principal: { AWS: ownIdentity },
      Condition: { StringEquals: { 'sts:ExternalId': config['external_id'] } },
    });
    expect(setup.permissions_policy).toContain('arn:aws:ecr:*:123456789012:repository/*');
    expect((await make(role)).config['external_id']).not.toBe(config['external_id']);
    const read = await client.send<View>('GET', `/v1/cloud-accounts/${id}`);
    expect(read.body.setup).toEqual(setup);
    expect(read.headers.get('etag')).toBe('"1"');
  });

  const federated: [string, object, (setup: Setup) => string | null, string][] = [
    ['AWS', { ...role, auth_mode: 'web_identity' }, (setup) => setup.trust_policy, 'sts.amazonaws.com'],
    ['Google', federation, (setup) => setup.commands, `https://iam.googleapis.com/${pool}`],
    ['Azure', app, (setup) => setup.commands, 'api://AzureADTokenExchange'],
  ];
  test.each(federated)('shows the subject of this issuer that %s must trust', async (_, what, pasted, audience) => {
    const { id, setup } = await make(what);
    const subject = `org:${orgId}:cloud-account:${id}`;
    expect(setup.issuer).toEqual({ url: publicUrl, subject, audience });
    expect(pasted(setup)).toContain(subject);
    expect(setup.notes.join()).not.toContain('FAIRLEAD_PUBLIC_URL');
  });

  test('shows the id of the person or the token that created it, without its kind', async () => {
    expect(await make(role)).toMatchObject({ created_by: expect.stringMatching(/^user_\w+$/) });
    const { secret, id } = await addToken(api.database, { orgId, projectId });
    const body = { project_id: projectId, display_name: 'Cloud', ...role };
    expect(await api.as(secret).ask('POST', '/v1/cloud-accounts', body)).toMatchObject({ created_by: id });
  });

  test('says so when no cloud can reach this issuer', async () => {
    const local = await startApi({ links: { publicUrl: 'http://localhost:8080', namespace: 'default' } });
    try {
      const org_id = await addOrg(local.database);
      const body = { org_id, display_name: 'Cloud', ...federation };
      const { setup } = await local.admin.ask<View>('POST', '/v1/cloud-accounts', body);
      expect(setup.notes[0]).toContain('FAIRLEAD_PUBLIC_URL to a public https address');
    } finally {
      await local.stop();
    }
  });

  const withSecret: [string, object, string, string][] = [
    ['an access key', accessKey, 'aws_secret_access_key', accessKey.credentials.secret_access_key],
    ['a service account’s key', keyed, 'gcp_service_account_key', privateKey],
    ['a client secret', secretApp, 'azure_client_secret', secretApp.credentials.client_secret],
  ];
  test.each(withSecret)(
    'stores %s sealed, never returns it, and marks the account as discouraged',
    async (_, what, kind, secret) => {
      const made = await client.send<View>('POST', '/v1/cloud-accounts', {
        org_id: orgId,
        display_name: 'Org',
        ...what,
      });
      const { id } = made.body;
      expect(made.body).toMatchObject({ project_id: null, discouraged: true });
      expect(await sealedSecrets(api.database.reader, keyring).active({ cloudAccountId: id }, kind)).toBe(secret);
      const answers = [
        made,
        await client.send('GET', `/v1/cloud-accounts/${id}`),
        await client.send('GET', '/v1/cloud-accounts'),
      ];
      const said =
        JSON.stringify(answers.map(({ body }) => body)) + JSON.stringify(await api.database.reader('audit_events'));
      expect(said).toContain(id);
      for (const part of [secret, JSON.stringify(secret).slice(1, -1), 'credentials', 'PRIVATE KEY']) {
        expect(said).not.toContain(part);
      }
    },
  );

  test('keeps three fields of a service account key, given as text or as an object', async () => {
    for (const key of [JSON.stringify(keyFile), keyFile]) {
      const { config } = await make({ ...keyed, credentials: { key } });
      expect(config).toEqual({ client_email: keyFile.client_email, project_id: 'acme-images' });
    }
  });
});

describe('is rejected', () => {
  const external = {
    type: 'external_account',
    audience: `//iam.googleapis.com/${pool}`,
    token_url: 'https://attacker.example.com',
    credential_source: { file: '/etc/passwd' },
  };
  const unfit: [string, object, string][] = [
    ['a user for a role', { ...role, config: { role_arn: 'arn:aws:iam::123456789012:user/me' } }, 'ARN of a role'],
    [
      'an external ID that the caller chooses',
      { ...role, config: { ...role.config, external_id: 'mine' } },
      'external_id',
    ],
    ['a role with a secret', { ...role, credentials: { secret_access_key: 'x'.repeat(40) } }, 'credentials'],
    [
      'a temporary key',
      { ...accessKey, config: { ...accessKey.config, access_key_id: 'ASIAIOSFODNN7EXAMPLE' } },
      'temporary',
    ],
    [
      'an account of eleven digits',
      { ...accessKey, config: { ...accessKey.config, account_id: '12345678901' } },
      'twelve digits',
    ],
    ['a region that is a host', { ...accessKey, config: { ...accessKey.config, region: 'x.example.com/' } }, 'region'],
    ['an access key without its secret', { ...accessKey, credentials: undefined }, 'credentials'],
    ['a mode of another cloud', { ...role, kind: 'gcp' }, 'body.kind'],
    ['a mode that nobody knows', { ...role, auth_mode: 'oauth' }, 'gcp/start'],
    [
      'a provider with a path of its own',
      { ...federation, config: { provider: `${pool}/../x` } },
      'workloadIdentityPools',
    ],
    ['a provider with somebody’s file', { ...federation, config: { ...external, provider: pool } }, 'external_account'],
    [
      'an external account for a key',
      { ...keyed, credentials: { key: JSON.stringify(external) } },
      'workload_identity',
    ],
    [
      'a key of another type',
      { ...keyed, credentials: { key: { ...keyFile, type: 'authorized_user' } } },
      'type service_account',
    ],
    [
      'a key without a key',
      { ...keyed, credentials: { key: { ...keyFile, private_key: 'no key' } } },
      'RSA private key',
    ],
    ['a key of nobody', { ...keyed, credentials: { key: { ...keyFile, client_email: 'a@b.c' } } }, 'client_email'],
    ['a key that is no JSON', { ...keyed, credentials: { key: privateKey } }, 'JSON'],
    [
      'a tenant that is a name',
      { ...app, config: { tenant_id: 'acme.example.com', client_id: clientId } },
      'tenant_id',
    ],
    ['a cloud of Azure’s that is none', { ...app, config: { ...app.config, cloud: 'mars' } }, 'cloud'],
  ];
  test.each(unfit)('%s', async (_, what, named) => {
    const answer = await refused(what);
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect(answer.body.detail).toContain(named);
    expect(answer.body.detail).not.toMatch(/PRIVATE KEY|passwd|attacker/);
    expect(await client.ask('GET', '/v1/cloud-accounts')).toEqual([]);
  });

  test('an identity that the operator does not offer', async () => {
    const ambient = { kind: 'aws', auth_mode: 'ambient', config: { account_id: '123456789012' } };
    expect(await refused(ambient)).toMatchObject({ status: 409, body: { code: 'platform_identity_missing' } });
    const offers = async (awsIdentity: 'none' | 'lend', what: object) => {
      const other = await startApi({ cloudAccounts: { awsIdentity, principal: async () => undefined } });
      try {
        const body = { org_id: await addOrg(other.database), display_name: 'Cloud', ...what };
        return (await other.admin.send<View>('POST', '/v1/cloud-accounts', body)).status;
      } finally {
        await other.stop();
      }
    };
    expect(await offers('none', role)).toBe(409);
    expect(await offers('none', { ...role, auth_mode: 'web_identity' })).toBe(201);
    expect(await offers('lend', ambient)).toBe(201);
  });
});

describe('access to cloud accounts', () => {
  test('shows a project its own accounts, and the organization all accounts', async () => {
    const other = await addProject(api.database, orgId);
    const mine = await make(role);
    const ofOrg = await client.ask<View>('POST', '/v1/cloud-accounts', { org_id: orgId, display_name: 'Org', ...role });
    const listed = async (where: { orgId: string; projectId?: string }) => {
      const token = (await addToken(api.database, where)).secret;
      return (await api.as(token).ask<View[]>('GET', '/v1/cloud-accounts')).map(({ id }) => id).sort();
    };
    expect(await listed({ orgId, projectId })).toEqual([mine.id]);
    expect(await listed({ orgId, projectId: other })).toEqual([]);
    expect(await listed({ orgId })).toEqual([mine.id, ofOrg.id].sort());
    const token = api.as((await addToken(api.database, { orgId, projectId })).secret);
    const path = `/v1/cloud-accounts/${ofOrg.id}`;
    for (const [method, body] of [['GET'], ['PATCH', { display_name: 'x' }], ['DELETE']] as const) {
      expect((await token.send(method, path, body)).status).toBe(404);
    }
    expect((await token.send('POST', '/v1/cloud-accounts', { org_id: orgId, display_name: 'x', ...role })).status).toBe(
      404,
    );
  });

  test('allows no changes without `clouds:write`', async () => {
    const { id } = await make(role);
    const viewer = api.as((await addUser(api.database, orgId, 'viewer')).session);
    expect((await viewer.send('GET', `/v1/cloud-accounts/${id}`)).status).toBe(200);
    expect((await viewer.send('DELETE', `/v1/cloud-accounts/${id}`)).status).toBe(403);
  });
});

describe('a change', () => {
  const epochOf = async (id: string) => (await api.database.reader('cloud_accounts').where({ id }).first())?.epoch;
  const activate = (id: string) =>
    api.database.write((trx) => trx('cloud_accounts').where({ id }).update({ status: 'active', checked_at: 1 }));

  test('of the name keeps the access', async () => {
    const { id } = await make(role);
    await activate(id);
    const answer = await client.send<View>(
      'PATCH',
      `/v1/cloud-accounts/${id}`,
      { display_name: 'Other' },
      { 'if-match': '"1"' },
    );
    expect(answer).toMatchObject({ status: 200, body: { display_name: 'Other', status: 'active' } });
    expect(answer.headers.get('etag')).toBe('"2"');
    expect(await epochOf(id)).toBe(0);
    const late = await client.send(
      'PATCH',
      `/v1/cloud-accounts/${id}`,
      { display_name: 'Late' },
      { 'if-match': '"1"' },
    );
    expect(late).toMatchObject({ status: 412, body: { code: 'precondition_failed' } });
  });

  test('of the role is a new access with the same external ID', async () => {
    const { id, config } = await make(role);
    await activate(id);
    const role_arn = 'arn:aws:iam::210987654321:role/other';
    const changed = await client.ask<View>('PATCH', `/v1/cloud-accounts/${id}`, { config: { role_arn } });
    expect(changed).toMatchObject({ status: 'active', config });
    const external_id = config['external_id'];
    expect(changed['pending_config']).toEqual({ role_arn, account_id: '210987654321', external_id });
    expect(await epochOf(id)).toBe(0);
  });

  test('of the secret of a working account keeps the one in use, and the same secret again changes nothing', async () => {
    const { id } = await make(accessKey);
    await activate(id);
    const patch = (credentials: object) => client.ask<View>('PATCH', `/v1/cloud-accounts/${id}`, { credentials });
    expect(await patch(accessKey.credentials)).toMatchObject({ status: 'active', pending_config: null });
    const credentials = { secret_access_key: 'a/new/secret/that/is/forty/characters/xx' };
    const changed = await patch(credentials);
    expect(changed).toMatchObject({ status: 'active', pending_config: changed.config });
    expect(await epochOf(id)).toBe(0);
    expect(await secretsOf(id)).toMatchObject([{ status: 'active' }, { status: 'pending' }]);
    // The secret in use again withdraws the new one.
    expect(await patch(accessKey.credentials)).toMatchObject({ status: 'active', pending_config: null });
    expect(await secretsOf(id)).toMatchObject([{ status: 'active' }, { status: 'purged', sealed: null }]);
  });

  test('of the secret of an account that does not work destroys the previous one', async () => {
    const { id } = await make(accessKey);
    const credentials = { secret_access_key: 'a/new/secret/that/is/forty/characters/xx' };
    const changed = await client.ask<View>('PATCH', `/v1/cloud-accounts/${id}`, { credentials });
    expect(changed).toMatchObject({ status: 'pending', pending_config: null });
    expect(await epochOf(id)).toBe(1);
    expect(await secretsOf(id)).toMatchObject([{ status: 'purged', sealed: null }, { status: 'active' }]);
  });

  test('of the settings of an account that does not work destroys the previous secret', async () => {
    const { id } = await make(accessKey);
    const kind = 'aws_secret_access_key';
    await api.database.write(async (trx) => {
      await sealedSecrets(trx, keyring).put(
        { cloudAccountId: id },
        null,
        kind,
        'a/second/secret/of/forty/characters/xxxx',
      );
      await trx('cloud_accounts').where({ id }).update({ previous_config: '{}', previous_at: Date.now() });
    });
    expect(await secretsOf(id)).toMatchObject([{ status: 'retiring' }, { status: 'active' }]);
    const config = { access_key_id: 'AKIAANOTHERKEYOFTHESAME', account_id: '123456789012' };
    await client.ask('PATCH', `/v1/cloud-accounts/${id}`, { config });
    expect(await secretsOf(id)).toMatchObject([{ status: 'purged', sealed: null }, { status: 'active' }]);
    expect((await client.send('POST', `/v1/cloud-accounts/${id}/rollback`)).status).toBe(409);
  });

  test('cannot be rolled back without a previous access', async () => {
    const { id } = await make(accessKey);
    const answer = await client.send('POST', `/v1/cloud-accounts/${id}/rollback`);
    expect(answer).toMatchObject({ status: 409, body: { code: 'invalid_transition' } });
  });

  test('accepts another service account with another key', async () => {
    const { id } = await make(keyed);
    const key = { ...keyFile, client_email: 'other@acme-images.iam.gserviceaccount.com' };
    const changed = await client.ask<View>('PATCH', `/v1/cloud-accounts/${id}`, { credentials: { key } });
    expect(changed.config).toEqual({ client_email: key.client_email, project_id: 'acme-images' });
    expect(await epochOf(id)).toBe(1);
  });

  const inDays = (days: number) => Math.floor(Date.now() / 1000) + days * 86_400;
  const otherSecret = { secret_access_key: 'a/new/secret/that/is/forty/characters/xx' };

  test('of the secret of a working account keeps its date with it until it is in use', async () => {
    const [first, second] = [inDays(20), inDays(90)];
    const { id, ...made } = await make({ ...accessKey, expires_at: first });
    expect(made).toMatchObject({ expires_at: first });
    await activate(id);
    const patch = (changes: object) => client.ask<View>('PATCH', `/v1/cloud-accounts/${id}`, changes);
    expect(await patch({ credentials: otherSecret, expires_at: second })).toMatchObject({ expires_at: first });
    const stored = async () => (await allCloudAccounts(api.database.reader).find(id)) as CloudAccount;
    const promote = (stage: 'pending' | 'previous') =>
      api.database.write(async (trx) =>
        promoteAccess(trx, await stored(), stage, { status: 'active', checkedAt: Date.now() }),
      );
    await promote('pending');
    expect(await client.ask('GET', `/v1/cloud-accounts/${id}`)).toMatchObject({ expires_at: second });
    await promote('previous');
    expect(await client.ask('GET', `/v1/cloud-accounts/${id}`)).toMatchObject({ expires_at: first });
    // Sent alone, the date is that of the secret in use. A secret that comes without one has none.
    expect(await patch({ expires_at: second })).toMatchObject({ expires_at: second, status: 'active' });
    expect(await patch({ credentials: { secret_access_key: 'x'.repeat(40) } })).toMatchObject({ expires_at: second });
    await promote('pending');
    expect(await client.ask('GET', `/v1/cloud-accounts/${id}`)).toMatchObject({ expires_at: null });
  });

  test('of the secret of an account that does not work replaces its date, and the same secret keeps it', async () => {
    const [first, second] = [inDays(20), inDays(90)];
    const { id } = await make({ ...accessKey, expires_at: first });
    const patch = (changes: object) => client.ask<View>('PATCH', `/v1/cloud-accounts/${id}`, changes);
    expect(await patch({ credentials: accessKey.credentials })).toMatchObject({ expires_at: first });
    expect(await patch({ credentials: otherSecret, expires_at: second })).toMatchObject({ expires_at: second });
    expect(await patch({ expires_at: null })).toMatchObject({ expires_at: null });
    expect(await patch({ expires_at: first })).toMatchObject({ expires_at: first });
    expect(await patch({ credentials: accessKey.credentials })).toMatchObject({ expires_at: null });
  });

  const unfit: [string, object, object][] = [
    ['a date for an account without a secret', role, { expires_at: inDays(20) }],
    ['a date in the past', accessKey, { expires_at: 1 }],
    ['fields of another auth mode', role, { config: { account_id: '123456789012' } }],
    ['another external ID', role, { config: { ...role.config, external_id: 'mine' } }],
    ['a secret for an account without one', role, { credentials: { secret_access_key: 'x'.repeat(40) } }],
    ['another auth mode', role, { auth_mode: 'web_identity' }],
    ['a key file of another type', keyed, { credentials: { key: { type: 'external_account' } } }],
  ];
  test.each(unfit)('to %s is rejected', async (_, what, changes) => {
    const { id } = await make(what);
    const answer = await client.send('PATCH', `/v1/cloud-accounts/${id}`, changes);
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect(await epochOf(id)).toBe(0);
  });
});

describe('a verification', () => {
  test('starts one workflow operation, and a second request returns the pending one', async () => {
    const { id } = await make(role);
    const verify = () => client.send<{ operation: { id: string } }>('POST', `/v1/cloud-accounts/${id}/verify`);
    const asked = await verify();
    expect(asked).toMatchObject({
      status: 202,
      body: { operation: { kind: 'verify', subject_id: id, status: 'running' } },
    });
    expect((await verify()).body.operation.id).toBe(asked.body.operation.id);
    const commands = await api.database.reader('commands').where({ workflow_id: `verify-cloud/${id}` });
    expect(commands).toHaveLength(1);
    expect(commands[0]).toMatchObject({
      workflow: 'verifyCloudAccount',
      input: JSON.stringify({ cloudAccountId: id }),
    });
  });

  test('returns the next action when the cloud has rejected the access', async () => {
    const { id, next_action: first } = await make(role);
    expect(first).toContain('verify');
    const refusal = { status: 'action_required' as const, status_reason: 'external_id_not_required' };
    await api.database.write((trx) => trx('cloud_accounts').where({ id }).update(refusal));
    const read = await client.ask<View>('GET', `/v1/cloud-accounts/${id}`);
    expect(read).toMatchObject({ status: 'action_required', status_reason: 'external_id_not_required' });
    expect(read['next_action']).toContain('`setup`');
  });
});

describe('a deletion', () => {
  const bind = (id: string, status: 'active' | 'deleted' = 'active') =>
    seed(api.database).registry({ orgId, projectId }, { cloud_account_id: id, status, kind: 'ecr' });
  const remove = (id: string) => client.send('DELETE', `/v1/cloud-accounts/${id}`);

  test('destroys the secret, and the account is not found afterwards', async () => {
    const { id } = await make(accessKey);
    expect((await remove(id)).status).toBe(204);
    expect((await remove(id)).status).toBe(404);
    expect((await client.send('GET', `/v1/cloud-accounts/${id}`)).status).toBe(404);
    expect(await client.ask('GET', '/v1/cloud-accounts')).toEqual([]);
    expect(await secretsOf(id)).toMatchObject([{ status: 'purged', sealed: null }]);
  });

  test('is rejected while integrations use the account, and names them', async () => {
    const { id } = await make(accessKey);
    await bind(id, 'deleted');
    const bound = await bind(id);
    expect(await remove(id)).toMatchObject({
      status: 409,
      body: { code: 'cloud_account_in_use', integrations: [{ id: bound, display_name: 'images' }] },
    });
    expect(await secretsOf(id)).toMatchObject([{ status: 'active' }]);
    await api.database.write((trx) => trx('integrations').where({ id: bound }).update({ status: 'deleted' }));
    expect((await remove(id)).status).toBe(204);
  });

  test('that races with another deletion happens once', async () => {
    const { id } = await make(accessKey);
    const statuses = (await Promise.all([remove(id), remove(id), remove(id)])).map(({ status }) => status);
    expect(statuses.sort()).toEqual([204, 404, 404]);
    const told = await api.database.reader('audit_events').where({ target: id, action: 'cloud_account.deleted' });
    expect(told).toHaveLength(1);
  });

  test('that races with a binding leaves either the account or no integration bound to it', async () => {
    const outcomes = new Set<string>();
    for (const region of ['eu-west-1', 'eu-west-2', 'eu-west-3', 'eu-central-1']) {
      const { id } = await make(accessKey);
      const registry = `123456789012.dkr.ecr.${region}.amazonaws.com`;
      const body = { provider: 'ecr', project_id: projectId, registry, cloud_account_id: id };
      const [gone, bound] = await Promise.all([remove(id), client.send('POST', '/v1/integrations', body)]);
      const left = await api.database.reader('cloud_accounts').where({ id, deleted_at: null });
      const integrations = await api.database.reader('integrations').where({ cloud_account_id: id });
      outcomes.add(`${gone.status} ${bound.status} ${left.length} ${integrations.length}`);
    }
    for (const outcome of outcomes) expect(['204 422 0 0', '409 201 1 1']).toContain(outcome);
  });

  test('of a project also deletes an account that is created at the same time, or rejects its creation', async () => {
    const made = client.send('POST', '/v1/cloud-accounts', {
      project_id: projectId,
      display_name: 'Late',
      ...accessKey,
    });
    const [{ status }] = await Promise.all([made, client.send('DELETE', `/v1/projects/${projectId}`)]);
    expect([201, 404]).toContain(status);
    expect(await api.database.reader('cloud_accounts').where({ project_id: projectId, deleted_at: null })).toEqual([]);
  });

  test('of a project deletes its accounts and keeps the organization’s', async () => {
    const { id } = await make(accessKey);
    const ofOrg = await client.ask<View>('POST', '/v1/cloud-accounts', {
      org_id: orgId,
      display_name: 'Org',
      ...accessKey,
    });
    const registry = await bind(id);
    expect((await client.send('DELETE', `/v1/projects/${projectId}`)).status).toBe(202);
    expect((await api.database.reader('integrations').where({ id: registry }).first())?.status).toMatch(/delet/);
    expect((await client.send('GET', `/v1/cloud-accounts/${id}`)).status).toBe(404);
    expect(await secretsOf(id)).toMatchObject([{ status: 'purged', sealed: null }]);
    expect((await client.send('GET', `/v1/cloud-accounts/${ofOrg.id}`)).status).toBe(200);
    expect((await client.send('DELETE', `/v1/orgs/${orgId}`)).status).toBe(202);
    expect(await secretsOf(ofOrg.id)).toMatchObject([{ status: 'purged', sealed: null }]);
  });
});
