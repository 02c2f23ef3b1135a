import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { recordCloudCheck } from '../../../db/clouds/cloud-account-checks.ts';
import { allCloudAccounts } from '../../../db/clouds/cloud-accounts.ts';
import { deleteIntegration } from '../../../db/deletion/integration-deletion.ts';
import { recordVerification } from '../../../db/registries/registry-verifications.ts';
import { verifyCloudWorkflowId } from '../../../domain/ops/workflow-ids.ts';
import { type RegistryStandIn, startRegistry } from '../../../stand-ins/registry/stand-in.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { keyring } from '../../support/hooks.ts';
import { seed } from '../../support/scenes/seed.ts';
import { type Owner, watchScene } from '../../support/scenes/watch-scene.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const password = `robot's pa$$word`;
const users = { robot: { password, access: [] } };
const away = { path: /./, kind: 'reset' as const };

let database: TestDatabase;
let registry: RegistryStandIn;
let scene: ReturnType<typeof watchScene>;
let owner: Owner;

beforeAll(async () => {
  [database, registry] = await Promise.all([openTestDatabase(), startRegistry({ users })]);
  scene = watchScene(database, registry.url);
});
afterAll(async () => {
  await registry?.close();
  await database?.drop();
});
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  await database.write(async (trx) => {
    await trx('integrations').update({ next_check_at: null });
    await trx('incidents').delete();
    await trx('commands').delete();
  });
  owner = await seed(database).org();
});
afterEach(() => {
  vi.useRealTimers();
  accept();
  registry.heal();
});

const pass = (ms: number) => vi.setSystemTime(Date.now() + ms);
/** Returns the minutes until the next check. */
const waits = async (id: string) => (Number((await scene.row(id)).next_check_at) - Date.now()) / minute;
const refuse = () => registry.settings.users.set('robot', { password: 'another', access: [] });
const accept = () => registry.settings.users.set('robot', users.robot);
const change = (id: string, changes: object) =>
  database.write((trx) => trx('integrations').where({ id }).update(changes));
const several = (count: number) => Promise.all(Array.from({ length: count }, () => scene.add(owner, password)));

test('does not call the registry when no check was requested', async () => {
  const id = await scene.add(owner, password, { status: 'pending', next_check_at: null });
  const before = await scene.row(id);
  refuse();
  expect(await scene.unasked(id)).toBeNull();
  expect(await scene.row(id)).toEqual(before);
});

test('a check that a person requested is carried out, even if Temporal was away for days', async () => {
  const id = await scene.add(owner, password, { status: 'pending', next_check_at: null });
  await scene.asked(id, async () => {
    await database.write((trx) => trx('commands').update({ created_at: Date.now() - 3 * day }));
  });
  expect(await scene.row(id)).toMatchObject({ status: 'active' });
});

test('a command that is older than a day requests no check', async () => {
  const id = await scene.add(owner, password, { status: 'pending', checked_at: null, next_check_at: null });
  await scene.requestedOnce(id, Date.now() - 2 * day);
  expect(await scene.begin(id)).toBe('gone');
  await scene.requestedOnce(id, Date.now() - hour);
  expect(await scene.begin(id)).toBe('due');
});

describe('a registry whose check is due', () => {
  test('is checked, and again after five to seven hours', async () => {
    const id = await scene.add(owner, password);
    expect(await scene.tick()).toEqual([id]);
    expect(await scene.row(id)).toMatchObject({
      status: 'active',
      checked_at: Date.now(),
      last_success_at: Date.now(),
    });
    expect(await waits(id)).toBeGreaterThanOrEqual(5 * 60);
    expect(await waits(id)).toBeLessThanOrEqual(7 * 60);
    pass(4 * hour);
    expect(await scene.tick()).toEqual([]);
    pass(3 * hour);
    expect(await scene.tick()).toEqual([id]);
  });

  test('is checked once by concurrent workers, and again if that check is lost', async () => {
    const ids = await several(30);
    const claims = await Promise.all(Array.from({ length: 4 }, () => scene.claimDueChecks()));
    expect(claims.reduce((sum, { claimed }) => sum + claimed, 0)).toBe(30);
    const pending = () => database.reader('commands').where({ workflow: 'verifyIntegration', status: 'pending' });
    expect((await pending()).map(({ workflow_id: id }) => id).sort()).toEqual(ids.map((id) => `verify/${id}`).sort());
    pass(hour);
    expect(await scene.claimDueChecks()).toEqual({ claimed: 30, more: false });
    // Commands that wait for Temporal do not pile up.
    expect(await pending()).toHaveLength(30);
  });

  test('is checked in batches of 200', async () => {
    const ids = await Promise.all(Array.from({ length: 201 }, () => seed(database).registry(owner)));
    await database.write((trx) => trx('integrations').whereIn('id', ids).update({ next_check_at: Date.now() }));
    expect(await scene.claimDueChecks()).toEqual({ claimed: 200, more: true });
    expect(await scene.claimDueChecks()).toEqual({ claimed: 1, more: false });
  });

  const remove = (id: string) =>
    database.write(async (trx) => {
      await deleteIntegration(trx, { id, ...owner, revocation: 'never', audit: async () => {} });
      await trx('commands').where({ workflow: 'deleteIntegration' }).delete();
    });

  test.each([
    ['refuses', refuse],
    ['does not respond', () => registry.fail(away)],
  ])('is not changed if it %s and was deleted during the check', async (_, how) => {
    const id = await scene.add(owner, password, { strikes: 2 });
    how();
    await scene.asked(id, () => remove(id));
    expect(await scene.row(id)).toMatchObject({ status: 'deleting', status_reason: null, strikes: 2, refusals: 0 });
    expect(await scene.open(owner.orgId)).toEqual([]);
  });

  test('is not checked after it is deleted, before or after the claim', async () => {
    const [before, after] = [await scene.add(owner, password), await scene.add(owner, password)];
    await remove(before);
    registry.ledger.length = 0;
    await scene.claimDueChecks();
    await remove(after);
    expect(await scene.tick()).toEqual([after]);
    expect(registry.ledger).toEqual([]);
    expect(await scene.row(before)).toMatchObject({ status: 'deleting', next_check_at: null });
    expect(await scene.row(after)).toMatchObject({ status: 'deleting', strikes: 0 });
    pass(2 * hour);
    expect(await scene.tick()).toEqual([]);
  });
});

test('a registry is checked soon after its cloud account is rejected or works again', async () => {
  const cloudAccountId = await seed(database).cloudAccount(owner);
  const inherited = { kind: 'ecr', auth_mode: 'cloud_account', cloud_account_id: cloudAccountId };
  const later = { next_check_at: Date.now() + 5 * hour };
  const [id] = [await scene.add(owner, '', { ...inherited, ...later }), await scene.add(owner, password, later)];
  const record = (refusal?: { code: string; detail: string }) =>
    database.write(async (trx) => {
      const account = await allCloudAccounts(trx).find(cloudAccountId);
      if (account) await recordCloudCheck(trx, keyring, { account, stage: 'active', refusal });
    });
  const refusal = { code: 'assume_role_refused', detail: 'No' };
  for (const outcome of [refusal, undefined]) {
    await record(outcome);
    expect(await waits(id)).toBe(0);
    await change(id, later);
  }
  // The same result again causes no check.
  await record();
  expect(await waits(id)).toBe(5 * 60);
});

test('a rejected registry that inherits its access has its cloud account checked, once', async () => {
  const cloudAccountId = await seed(database).cloudAccount(owner);
  const inherited = { kind: 'ecr', auth_mode: 'cloud_account', cloud_account_id: cloudAccountId, last_success_at: 1 };
  const ids = [await scene.add(owner, '', inherited), await scene.add(owner, '', inherited)];
  await database.write((trx) => trx('cloud_accounts').where({ id: cloudAccountId }).update({ status: 'active' }));
  for (const integrationId of ids) {
    const { epoch } = await scene.row(integrationId);
    const found = { epoch, cloudEpoch: 0, version: null, repositories: [], purposes: [], realm: undefined, checks: [] };
    const login = { ok: false as const, code: 'assume_role_refused', message: 'No.' };
    await database.write((trx) =>
      recordVerification(trx, keyring, { integrationId, wish: 'asked', found: { ...found, login } }),
    );
    expect((await scene.row(integrationId)).status).toBe('reauth_required');
  }
  const asked = await database.reader('commands').where({ workflow: 'verifyCloudAccount' }).pluck('workflow_id');
  expect(asked).toEqual([verifyCloudWorkflowId(cloudAccountId)]);
});

describe('a check that is rejected', () => {
  test('is confirmed the third time in a row, after 2 and 10 minutes', async () => {
    const id = await scene.add(owner, password);
    refuse();
    for (const minutes of [2, 10]) {
      expect(await scene.tick()).toEqual([id]);
      expect(await scene.row(id)).toMatchObject({ status: 'active', status_reason: null, strikes: 0 });
      expect(await waits(id)).toBe(minutes);
      expect(await scene.open(owner.orgId)).toEqual([]);
      pass(minutes * minute);
    }
    await scene.tick();
    expect(await scene.row(id)).toMatchObject({ status: 'reauth_required', status_reason: 'credentials_rejected' });
    expect(await scene.open(owner.orgId)).toMatchObject([{ code: 'registry_refused', subjectId: id }]);
    // The checks continue, and the registry recovers when it accepts the credential again.
    accept();
    pass(7 * hour);
    await scene.tick();
    expect(await scene.row(id)).toMatchObject({ status: 'active', status_reason: null, refusals: 0 });
    expect(await scene.open(owner.orgId)).toEqual([]);
  });

  test('is forgotten after a success in between, and an outage does not count', async () => {
    const id = await scene.add(owner, password);
    refuse();
    await scene.tick();
    pass(2 * minute);
    await scene.tick();
    expect(await scene.row(id)).toMatchObject({ refusals: 2, strikes: 0 });
    pass(10 * minute);
    registry.fail(away);
    await scene.tick();
    expect(await scene.row(id)).toMatchObject({ status: 'active', refusals: 2, strikes: 1 });
    registry.heal();
    accept();
    pass(10 * minute);
    await scene.tick();
    expect(await scene.row(id)).toMatchObject({ status: 'active', refusals: 0, strikes: 0 });
    refuse();
    pass(7 * hour);
    await scene.tick();
    expect(await scene.row(id)).toMatchObject({ status: 'active', refusals: 1 });
  });

  test('decides immediately if a caller requested it', async () => {
    const id = await scene.add(owner, password);
    refuse();
    await scene.asked(id);
    expect(await scene.row(id)).toMatchObject({ status: 'reauth_required', status_reason: 'credentials_rejected' });
  });
});

describe('a registry that does not respond', () => {
  test('has one incident after the third time, keeps its status, and recovers with the first response', async () => {
    const ids = await several(10);
    const other = await seed(database).org();
    const theirs = await scene.add(other, password);
    registry.fail(away);
    for (const minutes of [10, 20]) {
      expect(await scene.tick()).toHaveLength(11);
      expect(await scene.open(owner.orgId)).toEqual([]);
      for (const id of ids) {
        expect(await waits(id)).toBeGreaterThanOrEqual(minutes * 0.9);
        expect(await waits(id)).toBeLessThanOrEqual(minutes);
      }
      pass(minutes * minute);
    }
    expect(await scene.tick()).toHaveLength(11);
    const subjectId = `${owner.orgId}/${registry.host}`;
    expect(await scene.open(owner.orgId)).toMatchObject([{ code: 'registry_unavailable', subjectId }]);
    expect(await scene.open(other.orgId)).toMatchObject([{ code: 'registry_unavailable', count: 1 }]);
    for (const id of [...ids, theirs]) {
      expect(await scene.row(id)).toMatchObject({ status: 'active', status_reason: null, strikes: 3, refusals: 0 });
      expect((await scene.health(id)).incidents).toMatchObject([{ code: 'registry_unavailable' }]);
    }
    registry.heal();
    const [first = '', ...rest] = ids;
    await scene.asked(first);
    expect(await scene.open(owner.orgId)).toEqual([]);
    expect(await scene.open(other.orgId)).toHaveLength(1);
    // The other integrations are checked before their own time.
    expect((await scene.tick()).sort()).toEqual(rest.sort());
    for (const id of ids) expect(await scene.row(id)).toMatchObject({ status: 'active', strikes: 0 });
  });

  test('ends its outage also with a rejection', async () => {
    const id = await scene.add(owner, password, { strikes: 2 });
    registry.fail(away);
    await scene.tick();
    expect(await scene.open(owner.orgId)).toHaveLength(1);
    registry.heal();
    refuse();
    pass(hour);
    await scene.tick();
    expect(await scene.open(owner.orgId)).toEqual([]);
    expect(await scene.row(id)).toMatchObject({ status: 'active', strikes: 0, refusals: 1 });
  });

  test('has no incident while another integration gets a response', async () => {
    await scene.add(owner, password);
    await scene.tick();
    const silent = await scene.add(owner, password, { strikes: 2 });
    registry.fail(away);
    await scene.tick();
    expect(await scene.row(silent)).toMatchObject({ status: 'active', strikes: 3 });
    expect(await scene.open(owner.orgId)).toEqual([]);
    pass(hour);
    await scene.tick();
    expect(await scene.open(owner.orgId)).toHaveLength(1);
  });

  test('has no incident for an integration that never worked', async () => {
    const id = await scene.add(owner, password, { status: 'pending', last_success_at: null, strikes: 5 });
    registry.fail(away);
    await scene.tick();
    expect(await scene.row(id)).toMatchObject({ status: 'pending', status_reason: expect.any(String), strikes: 6 });
    expect(await scene.open(owner.orgId)).toEqual([]);
  });

  test('loses its incident when no integration is waiting for it', async () => {
    const id = await scene.add(owner, password, { strikes: 2 });
    registry.fail(away);
    await scene.tick();
    expect(await scene.open(owner.orgId)).toHaveLength(1);
    await change(id, { status: 'deleted' });
    await scene.tick();
    expect(await scene.open(owner.orgId)).toEqual([]);
  });
});

describe('a credential with an expiry date', () => {
  const told = async () => (await scene.open(owner.orgId)).map(({ code, subjectId }) => [code, subjectId]);

  test('has one incident in the last seven days, and keeps its status afterwards', async () => {
    const id = await scene.add(owner, password, { expires_at: Date.now() + 8 * day });
    await scene.tick();
    expect(await told()).toEqual([]);
    for (const days of [1, 3, 5]) {
      pass(days * day);
      await scene.tick();
      expect(await told()).toEqual([['credential_expiring', id]]);
      expect(await scene.row(id)).toMatchObject({ status: 'active' });
    }
    expect(await scene.open(owner.orgId)).toMatchObject([{ count: 1 }]);
  });

  test('of a cloud account has one too, which names the account, until the account is deleted', async () => {
    const id = await seed(database).cloudAccount(owner);
    await database.write((trx) =>
      trx('cloud_accounts')
        .where({ id })
        .update({ expires_at: Date.now() + 6 * day }),
    );
    for (const _ of [1, 2]) await scene.tick();
    expect(await told()).toEqual([['credential_expiring', id]]);
    const raised = await database.reader('incidents').where({ subject_id: id }).first();
    expect(raised?.action).toContain(`PATCH /v1/cloud-accounts/${id}`);
    await database.write((trx) => trx('cloud_accounts').where({ id }).update({ deleted_at: 1 }));
    await scene.tick();
    expect(await told()).toEqual([]);
  });

  test.each([
    ['the date is later', () => ({ expires_at: Date.now() + 90 * day })],
    ['the date is removed', () => ({ expires_at: null })],
    ['the integration is deleted', () => ({ status: 'deleted' })],
  ])('loses its incident when %s', async (_, changes) => {
    const id = await scene.add(owner, password, { expires_at: Date.now() + hour });
    await scene.tick();
    expect(await told()).toEqual([['credential_expiring', id]]);
    await change(id, changes());
    await scene.tick();
    expect(await told()).toEqual([]);
  });
});
