import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { claimDueChecks } from '../../db/registries/registry-watch.ts';
import { type RegistryStandIn, startRegistry } from '../../stand-ins/registry/stand-in.ts';
import { historyText } from '../support/canaries/history-text.ts';
import type { Client } from '../support/client.ts';
import { addOrg, addProject, addToken } from '../support/scenes/tenants.ts';
import { startWhole, type Whole } from '../support/scenes/whole.ts';

type View = {
  id: string;
  status: string;
  status_reason: string | null;
  registry: {
    realm: string | null;
    asked_realm: string | null;
    checked_at: number | null;
    last_success_at: number | null;
    checks: { repository: string; action: string; outcome: string; code: string | null }[];
  };
  operation?: { id: string; status: string; error: { code: string; detail: string } | null };
};

const password = `pa$$'"(:\n-${'c4nary'}`;
const users = {
  robot$team: { password, access: [{ repository: 'team/*', actions: ['pull' as const, 'push' as const] }] },
  deployer: {
    password: 'also-pushes',
    access: [{ repository: 'team/*', actions: ['pull' as const, 'push' as const] }],
  },
  reader: { password: 'may-only-pull', access: [{ repository: 'team/app', actions: ['pull' as const] }] },
};

let registry: RegistryStandIn;
let elsewhere: RegistryStandIn;
/** The same stand-in by another name, so that nothing relates the two. */
let foreign: string;
let scene: Whole;
let client: Client;
let projectId: string;

beforeAll(async () => {
  [registry, elsewhere] = await Promise.all([startRegistry({ users }), startRegistry({ users })]);
  foreign = `localhost:${new URL(elsewhere.url).port}`;
  scene = await startWhole(undefined, { registries: [registry.url, `http://${foreign}`] });
});
afterAll(async () => {
  await scene?.stop();
  await Promise.all([registry?.close(), elsewhere?.close()]);
});
beforeEach(async () => {
  const orgId = await addOrg(scene.database);
  projectId = await addProject(scene.database, orgId);
  client = scene.as((await addToken(scene.database, { orgId, projectId })).secret);
});
afterEach(() => {
  registry.heal();
  Object.assign(registry.settings, { realm: '', auth: 'bearer', users: new Map(Object.entries(users)) });
});

const wait = { prefer: 'wait=20' };
const connect = (changes: object = {}) =>
  client.send<View>(
    'POST',
    '/v1/integrations',
    {
      provider: 'oci',
      registry: registry.url,
      credentials: { username: 'robot$team', password },
      repositories: ['team/app'],
      ...changes,
    },
    wait,
  );
const read = ({ id }: { id: string }) => client.ask<View>('GET', `/v1/integrations/${id}`);
const change = ({ id }: { id: string }, changes: object) =>
  client.send<View>('PATCH', `/v1/integrations/${id}`, changes, wait);
const watched = async ({ id }: { id: string }) => {
  const row = await scene.database.reader('integrations').where({ id }).first();
  if (!row) throw new Error('It is not there');
  return row;
};
const verify = ({ id }: { id: string }) =>
  client.send<Pick<View, 'operation'>>('POST', `/v1/integrations/${id}/verify`, undefined, wait);

describe('a registry that is connected', () => {
  test.each(['bearer', 'basic'] as const)(
    'becomes active once pull and push are proven separately: %s',
    async (auth) => {
      registry.settings.auth = auth;
      const { status, body } = await connect();
      expect(status).toBe(201);
      expect(body).toMatchObject({ status: 'active', status_reason: null, operation: { status: 'succeeded' } });
      const allowed = { repository: 'team/app', outcome: 'allowed', code: null };
      expect(body.registry.checks).toMatchObject([
        { ...allowed, action: 'pull' },
        { ...allowed, action: 'push' },
      ]);
      expect(body.registry.last_success_at).toBeTypeOf('number');
      expect(registry.images.repositories.size + registry.images.uploads.size).toBe(0);
      expect(body.registry.realm).toBe(auth === 'bearer' ? registry.host : null);
    },
  );

  test('is degraded if an action is denied, and names the action', async () => {
    const { body } = await connect({ credentials: { username: 'reader', password: 'may-only-pull' } });
    expect(body).toMatchObject({
      status: 'degraded',
      status_reason: 'push_denied',
      operation: { status: 'succeeded' },
    });
    expect(body.registry.checks).toMatchObject([
      { action: 'pull', outcome: 'allowed', code: null },
      { action: 'push', outcome: 'denied', code: 'push_denied' },
    ]);
  });

  test('that is only pulled from is active without a permission to push, and issues nothing to push', async () => {
    const reader = { username: 'reader', password: 'may-only-pull' };
    const { body } = await connect({ credentials: reader, purposes: ['pull'] });
    expect(body).toMatchObject({ status: 'active', status_reason: null, registry: { purposes: ['pull'] } });
    expect(body.registry.checks).toMatchObject([{ repository: 'team/app', action: 'pull', outcome: 'allowed' }]);
    const exchange = (purpose: string) =>
      client.send<{ code?: string }>('POST', `/v1/projects/${projectId}/credentials/exchange`, {
        purpose,
        integration_id: body.id,
        repositories: ['team/app'],
      });
    expect(await exchange('push')).toMatchObject({ status: 422, body: { code: 'permission_missing' } });
    expect((await exchange('pull')).status).toBe(200);

    const both = await change(body, { purposes: ['push', 'pull'] });
    expect(both.body).toMatchObject({ status: 'degraded', status_reason: 'push_denied' });
    const pullAgain = await change(body, { purposes: ['pull'] });
    expect(pullAgain.body).toMatchObject({ status: 'active', registry: { checks: [{ action: 'pull' }] } });
  });

  test('becomes active only after a rejected credential is replaced', async () => {
    const { body } = await connect({ credentials: { username: 'robot$team', password: 'wrong' } });
    expect(body).toMatchObject({
      status: 'reauth_required',
      status_reason: 'credentials_rejected',
      operation: { status: 'failed', error: { code: 'credentials_rejected' } },
    });
    expect(body.registry).toMatchObject({ checks: [], last_success_at: null });
    const repaired = await change(body, { credentials: { password } });
    expect(repaired).toMatchObject({ status: 200, body: { status: 'active', status_reason: null } });
  });

  test('verifies each repository that is added later, and no longer those that are removed', async () => {
    const { body } = await connect();
    const changed = await change(body, { repositories: ['team/other', `${registry.host}/elsewhere/app`] });
    expect(changed.body).toMatchObject({ status: 'degraded', status_reason: 'pull_denied' });
    expect(
      changed.body.registry.checks.map(({ repository, action, outcome }) => [repository, action, outcome]),
    ).toEqual([
      ['elsewhere/app', 'pull', 'denied'],
      ['elsewhere/app', 'push', 'denied'],
      ['team/other', 'pull', 'allowed'],
      ['team/other', 'push', 'allowed'],
    ]);
  });
});

describe('a registry that is watched', () => {
  test('is checked when its time has come, without a waiting caller', async () => {
    const { body } = await connect();
    const first = await watched(body);
    expect(first.next_check_at).toBeGreaterThan(Date.now() + 4.9 * 3_600_000);
    registry.settings.users = new Map([['robot$team', { ...users.robot$team, password: 'another' }]]);
    await scene.database.write(async (trx) => {
      await trx('integrations').where({ id: body.id }).update({ next_check_at: Date.now() });
      expect(await claimDueChecks(trx, 200)).toBe(1);
    });
    await expect.poll(async () => (await watched(body)).refusals, { timeout: 20_000 }).toBe(1);
    const { next_check_at: next, status } = await watched(body);
    expect(status).toBe('active');
    expect(next).toBeLessThanOrEqual(Date.now() + 2 * 60_000);
    // A caller that asks gets the result at once.
    await verify(body);
    expect(await read(body)).toMatchObject({ status: 'reauth_required', status_reason: 'credentials_rejected' });
  });

  test('forgets the expiry of a replaced credential', async () => {
    const end = Math.floor(Date.now() / 1000) + 3_600;
    const { body } = await connect({ expires_at: end });
    const ends = async () => (await watched(body)).expires_at;
    expect(await ends()).toBe(end * 1000);
    await change(body, { credentials: { password } });
    expect(await ends()).toBe(end * 1000);
    await change(body, { credentials: { username: 'deployer', password: 'also-pushes' } });
    expect(await ends()).toBeNull();
    await change(body, { credentials: { username: 'robot$team', password }, expires_at: end });
    expect(await ends()).toBe(end * 1000);
  });
});

describe('the host that receives the credential', () => {
  test('needs the owner’s consent if it is another host, and gets nothing before', async () => {
    elsewhere.ledger.length = 0;
    registry.settings.realm = `http://${foreign}/token`;
    const { body } = await connect();
    expect(body).toMatchObject({
      status: 'reauth_required',
      status_reason: 'realm_not_trusted',
      registry: { realm: null, asked_realm: foreign },
    });
    expect(elsewhere.ledger).toEqual([]);
    await change(body, { realm: foreign });
    expect(elsewhere.ledger.map(({ path }) => path)).toContain('/token');
    expect(await read(body)).toMatchObject({ registry: { realm: foreign, asked_realm: null } });
  });

  test('stays the proven one: another host is rejected', async () => {
    const { body } = await connect();
    elsewhere.ledger.length = 0;
    registry.settings.realm = `http://${foreign}/token`;
    await verify(body);
    expect(await read(body)).toMatchObject({
      status: 'reauth_required',
      status_reason: 'realm_not_trusted',
      registry: { realm: registry.host, asked_realm: foreign },
    });
    expect(elsewhere.ledger).toEqual([]);
    const open = await client.ask<{ code: string; subject_id: string }[]>('GET', '/v1/incidents?status=open');
    expect(open).toMatchObject([{ code: 'registry_refused', subject_id: body.id }]);
    registry.settings.realm = '';
    await verify(body);
    expect(await read(body)).toMatchObject({ status: 'active', registry: { asked_realm: null } });
    expect(await client.ask('GET', '/v1/incidents?status=open')).toEqual([]);
  });
});

describe('a registry that does not respond', () => {
  test('is checked again, and its credential stays trusted', async () => {
    const { body } = await connect();
    registry.fail({ path: /^\/v2\//, kind: 'answer', status: 503, times: 3 });
    const again = await verify(body);
    expect(again).toMatchObject({ status: 200, body: { operation: { status: 'succeeded' } } });
    expect(await read(body)).toMatchObject({ status: 'active' });
  });

  test('leaves an active integration active with its last result, however long the outage takes', async () => {
    const { body } = await connect();
    registry.fail({ path: /./, kind: 'reset' });
    const asked = await client.send<Pick<View, 'operation'>>('POST', `/v1/integrations/${body.id}/verify`);
    const attempts = async () => {
      const { raw } = await scene.workflows.getHandle(`verify/${body.id}`).describe();
      return raw.pendingActivities?.[0]?.attempt ?? 0;
    };
    await expect.poll(attempts, { timeout: 20_000 }).toBeGreaterThanOrEqual(3);
    expect(asked).toMatchObject({ status: 202, body: { operation: { status: 'running' } } });
    const { status, registry: known } = await read(body);
    expect([status, known.checks.map(({ outcome }) => outcome)]).toEqual(['active', ['allowed', 'allowed']]);
    registry.heal();
    const operation = () => client.ask<{ operation: object }>('GET', `/v1/operations/${asked.body.operation?.id}`);
    await expect.poll(operation, { timeout: 30_000 }).toMatchObject({ operation: { status: 'succeeded' } });
  });
});

test('returns the stored credential, and nothing once it is rejected or deleted', async () => {
  const { body } = await connect();
  const exchange = () =>
    client.send<{ username?: string; password?: string; code?: string }>(
      'POST',
      `/v1/projects/${projectId}/credentials/exchange`,
      { purpose: 'pull', integration_id: body.id, repositories: ['team/app'] },
    );
  expect(await exchange()).toMatchObject({ status: 200, body: { username: 'robot$team', password } });
  const other = { username: 'deployer', password: 'also-pushes' };
  expect((await change(body, { credentials: other })).body).toMatchObject({ status: 'active' });
  expect(await exchange()).toMatchObject({ status: 200, body: other });
  registry.settings.users = new Map();
  await verify(body);
  expect(await exchange()).toMatchObject({ status: 409, body: { code: 'integration_unusable' } });
  registry.settings.users = new Map([['deployer', { ...users.deployer, password: 'a later one' }]]);
  expect((await change(body, { credentials: { password: 'a later one' } })).body.status).toBe('active');
  expect((await exchange()).status).toBe(200);
  const deleted = await client.send('DELETE', `/v1/integrations/${body.id}`, undefined, wait);
  expect(deleted).toMatchObject({ status: 200, body: { operation: { kind: 'delete', status: 'succeeded' } } });
  expect(await exchange()).toMatchObject({ status: 409, body: { code: 'integration_deleted' } });
});

describe('a new login', () => {
  const other = { username: 'deployer', password: 'also-pushes' };
  const exchange = (id: string) =>
    client.send<{ username?: string; password?: string; code?: string }>(
      'POST',
      `/v1/projects/${projectId}/credentials/exchange`,
      { purpose: 'pull', integration_id: id, repositories: ['team/app'] },
    );
  const rollBack = (id: string) =>
    client.send<Pick<View, 'operation'>>(
      'POST',
      `/v1/integrations/${id}/credentials/rollback`,
      { kind: 'registry_password' },
      wait,
    );
  const statuses = async (id: string) => {
    const [credential] = await client.ask<{ versions: { version: number; status: string }[] }[]>(
      'GET',
      `/v1/integrations/${id}/credentials`,
    );
    return credential?.versions.map(({ status }) => status).reverse();
  };

  test('that is wrong changes nothing, however often it is sent', async () => {
    const { body } = await connect();
    for (const wrong of ['wrong', 'also wrong']) {
      const { body: changed } = await change(body, { credentials: { password: wrong } });
      expect(changed).toMatchObject({
        status: 'active',
        operation: { status: 'failed', error: { code: 'credentials_rejected' } },
      });
      expect(changed.operation?.error?.detail).toMatch(/[^. ]\. The active login stays in use\.$/);
      expect(await exchange(body.id)).toMatchObject({ status: 200, body: { username: 'robot$team', password } });
    }
    expect(await statuses(body.id)).toEqual(['active', 'rejected', 'rejected']);
    expect(await verify(body)).toMatchObject({ body: { operation: { status: 'succeeded' } } });
    expect((await change(body, { credentials: other })).body).toMatchObject({ status: 'active' });
    expect(await exchange(body.id)).toMatchObject({ status: 200, body: other });
    expect(await statuses(body.id)).toEqual(['retiring', 'rejected', 'rejected', 'active']);
  });

  test('that cannot do what the active one can is rejected, unless the purposes change with it', async () => {
    const { body } = await connect();
    const reader = { username: 'reader', password: 'may-only-pull' };
    const { body: changed } = await change(body, { credentials: reader });
    const detail = expect.stringContaining('cannot push team/app');
    expect(changed).toMatchObject({
      status: 'active',
      operation: { status: 'failed', error: { code: 'push_denied', detail } },
    });
    expect(await exchange(body.id)).toMatchObject({ status: 200, body: { username: 'robot$team' } });
    const pullOnly = await change(body, { credentials: reader, purposes: ['pull'] });
    expect(pullOnly.body).toMatchObject({ status: 'active', registry: { username: 'reader' } });
  });

  test('that is rejected leaves other changes of the request to be checked with the active one', async () => {
    const { body } = await connect();
    await change(body, { credentials: { password: 'wrong' }, repositories: ['team/app', 'other/thing'] });
    await expect
      .poll(() => read(body), { timeout: 20_000 })
      .toMatchObject({
        registry: { checks: expect.arrayContaining([expect.objectContaining({ repository: 'other/thing' })]) },
      });
  });

  test('can be rolled back, with its user name and its expiry date, and forward again', async () => {
    const end = Math.floor(Date.now() / 1000) + 86_400;
    const { body } = await connect({ expires_at: end });
    await change(body, { credentials: other });
    const isUsing = async (username: string, expires_at: number | null) => {
      expect(await read(body)).toMatchObject({ registry: { username, expires_at } });
      expect(await exchange(body.id)).toMatchObject({ status: 200, body: { username } });
    };
    await isUsing('deployer', null);
    expect(await rollBack(body.id)).toMatchObject({ status: 200, body: { operation: { status: 'succeeded' } } });
    await isUsing('robot$team', end);
    expect((await read(body)).status).toBe('active');
    await rollBack(body.id);
    await isUsing('deployer', null);
    expect(await statuses(body.id)).toEqual(['retiring', 'active']);
  });

  test('gives way to the previous one if the registry rejects only the active one', async () => {
    const { body } = await connect();
    await change(body, { credentials: other });
    registry.settings.users = new Map([['robot$team', users.robot$team]]);
    const { operation } = (await verify(body)).body;
    expect(operation).toMatchObject({ status: 'failed', error: { code: 'credentials_rejected' } });
    expect(operation?.error?.detail).toContain('The previous login is in use again.');
    expect(await read(body)).toMatchObject({ status: 'active', registry: { username: 'robot$team' } });
    expect(await exchange(body.id)).toMatchObject({ status: 200, body: { password } });
  });

  test('that is rejected later ends the connection if another integration has the previous user name', async () => {
    const { body } = await connect();
    await change(body, { credentials: other });
    expect((await connect()).status).toBe(201);
    registry.settings.users = new Map([['robot$team', users.robot$team]]);
    const { operation } = (await verify(body)).body;
    expect(operation).toMatchObject({ status: 'failed', error: { code: 'credentials_rejected' } });
    expect(await read(body)).toMatchObject({ status: 'reauth_required', registry: { username: 'deployer' } });
    expect(await statuses(body.id)).toEqual(['retiring', 'active']);
  });

  test('waits while the registry does not respond, and is used once it does', async () => {
    const { body } = await connect();
    registry.fail({ path: /./, kind: 'reset' });
    await client.send('PATCH', `/v1/integrations/${body.id}`, { credentials: other });
    const pending = { registry: { username: 'robot$team', pending_login: { version: 2, username: 'deployer' } } };
    expect(await read(body)).toMatchObject({ status: 'active', ...pending });
    expect(await exchange(body.id)).toMatchObject({ status: 200, body: { password } });
    registry.heal();
    await expect
      .poll(() => read(body), { timeout: 60_000 })
      .toMatchObject({ registry: { username: 'deployer', pending_login: null } });
  });

  test('of two integrations with the same user name is used for one, and rejected for the other', async () => {
    const integrations = [(await connect()).body, (await connect({ credentials: other })).body];
    const third = { password: 'third', access: users.deployer.access };
    registry.settings.users = new Map([...Object.entries(users), ['third', third]]);
    const changed = await Promise.all(
      integrations.map((one) => change(one, { credentials: { username: 'third', password: 'third' } })),
    );
    const errors = changed.map(({ body, status }) => body.operation?.error?.code ?? status);
    expect(errors.sort()).toEqual([200, 'integration_exists']);
  });

  test('replaces the old one without a failed exchange', async () => {
    const { body } = await connect();
    let isDone = false;
    const results: number[] = [];
    const exchanging = Array.from({ length: 8 }, async () => {
      while (!isDone) results.push((await exchange(body.id)).status);
    });
    for (let round = 0; round < 6; round += 1) {
      await change(body, { credentials: round % 2 ? { username: 'robot$team', password } : other });
    }
    isDone = true;
    await Promise.all(exchanging);
    expect(results.length).toBeGreaterThan(50);
    expect(new Set(results)).toEqual(new Set([200]));
  });
});

test('shows the password nowhere', async () => {
  const { body } = await connect();
  await change(body, { display_name: 'Images', credentials: { username: 'reader', password: 'another-c4nary' } });
  await client.send('DELETE', `/v1/integrations/${body.id}`, undefined, wait);
  const canary = /c4nary|YzRuYXJ5|633463616e617279/i;
  for (const workflow of [`verify/${body.id}`, `delete/${body.id}`]) {
    const payloads = await historyText(scene.workflows.getHandle(workflow));
    expect(payloads, workflow).toContain(body.id);
    expect(payloads, workflow).not.toMatch(canary);
  }
  for (const table of ['integrations', 'credential_versions', 'audit_events', 'commands', 'operations'] as const) {
    expect(JSON.stringify(await scene.database.reader(table)), table).not.toMatch(canary);
  }
  const versions = await scene.database
    .reader('credential_versions')
    .join('credentials', 'credentials.id', 'credential_versions.credential_id')
    .where({ integration_id: body.id })
    .select('credential_versions.status', 'sealed');
  expect(versions).toEqual([
    { status: 'purged', sealed: null },
    { status: 'purged', sealed: null },
  ]);
});
