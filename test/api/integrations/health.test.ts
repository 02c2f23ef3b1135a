import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { allIncidents } from '../../../db/ops/incidents.ts';
import { startApi, type TestApi } from '../../support/api.ts';
import { seed } from '../../support/scenes/seed.ts';
import { addEverything, addOrg, addProject, addToken, type Tenant } from '../../support/scenes/tenants.ts';

type Health = {
  integration_id: string;
  state: string;
  forecast: string;
  checks: object[];
  last_used_at: number | null;
  next_action: { text: string; link: string | null } | null;
};

const day = 24 * 3_600_000;
let api: TestApi;
let mine: Tenant;
let client: ReturnType<TestApi['as']>;

beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api?.stop());

beforeEach(async () => {
  const orgId = await addOrg(api.database);
  mine = await addEverything(api.database, { orgId, projectId: await addProject(api.database, orgId) });
  client = api.as((await addToken(api.database, mine)).secret);
});

const healthOf = (id: string) => client.ask<Health>('GET', `/v1/integrations/${id}/health`);
const registry = (changes: object) =>
  seed(api.database).registry(mine, { checked_at: Date.now(), last_success_at: Date.now(), ...changes });
const check = (integrationId: string, outcome: 'allowed' | 'denied', code: string | null = null) =>
  api.database.write((trx) =>
    trx('registry_checks').insert({
      integration_id: integrationId,
      repository: 'acme/shop',
      action: 'push',
      outcome,
      code,
      checked_at: Date.now(),
    }),
  );

describe('the health of an integration', () => {
  test('is healthy after a successful check, and shows the last use', async () => {
    const id = await registry({});
    await check(id, 'allowed');
    expect(await healthOf(id)).toMatchObject({
      state: 'healthy',
      forecast: 'never',
      last_used_at: null,
      next_action: null,
      checks: [{ repository: 'acme/shop', action: 'push', outcome: 'allowed', code: null }],
    });
    const body = { purpose: 'pull', repositories: ['a/b'], integration_id: id };
    await client.ask('POST', `/v1/projects/${mine.projectId}/credentials/exchange`, body);
    expect((await healthOf(id)).last_used_at).toBeGreaterThan(0);
  });

  test.each([
    ['was never checked', { checked_at: null }, 'unknown', 'never', undefined],
    [
      'is rejected',
      { status: 'reauth_required', status_reason: 'credentials_rejected' },
      'failing',
      'never',
      /credentials/,
    ],
    [
      'has another realm',
      { status: 'reauth_required', status_reason: 'realm_not_trusted' },
      'failing',
      'never',
      /realm/,
    ],
    ['inherits rejected access', { kind: 'ecr', status: 'reauth_required' }, 'failing', 'never', /cloud account/],
    ['got no response', { strikes: 2 }, 'attention', 'never', /did not respond, Fairlead will retry/],
    ['was rejected once', { refusals: 1 }, 'attention', 'never', /a check failed, Fairlead will retry/],
    ['has expired', { expires_at: Date.now() - 1 }, 'failing', 'expired', /expired/],
    ['ends in six days', { expires_at: Date.now() + 6 * day }, 'attention', 'within_7_days', /before it expires/],
    ['ends in four weeks', { expires_at: Date.now() + 28 * day }, 'attention', 'within_30_days', /before it expires/],
    ['ends in two months', { expires_at: Date.now() + 60 * day }, 'healthy', 'later', undefined],
  ])('of one that %s', async (_, changes, state, forecast, action) => {
    const health = await healthOf(await registry(changes));
    expect(health).toMatchObject({ state, forecast });
    if (action) expect(health.next_action?.text).toMatch(action);
    else expect(health.next_action).toBeNull();
  });

  test.each([
    [
      'is rejected by its cloud',
      'action_required',
      'web_identity_refused',
      'failing',
      /ca_\w+.*Paste what `setup` shows/,
    ],
    ['has not been verified since it changed', 'pending', null, 'attention', /Verify the cloud account ca_/],
  ] as const)('is no better than that of its cloud account when it %s', async (_, status, reason, state, action) => {
    const cloudAccountId = await seed(api.database).cloudAccount(mine);
    const set = (to: 'active' | typeof status, statusReason: string | null) =>
      api.database.write((trx) =>
        trx('cloud_accounts').where({ id: cloudAccountId }).update({ status: to, status_reason: statusReason }),
      );
    const id = await registry({ kind: 'ecr', cloud_account_id: cloudAccountId });
    await set('active', null);
    expect(await healthOf(id)).toMatchObject({ state: 'healthy', next_action: null });

    await set(status, reason);
    const health = await healthOf(id);
    expect(health).toMatchObject({ state, status: 'active' });
    expect(health.next_action?.text).toMatch(action);
    expect(health.next_action?.text).toContain(cloudAccountId);
    // The cloud account has priority over the incident that it caused.
    await api.database.write((trx) =>
      allIncidents(trx).raise({
        orgId: mine.orgId,
        projectId: mine.projectId,
        code: 'permissions_missing',
        subjectId: id,
      }),
    );
    expect((await healthOf(id)).next_action?.text).toContain(cloudAccountId);
  });

  test.each([
    ['has expired', -1, 'failing', 'expired'],
    ['ends in four weeks', 28 * day, 'attention', 'within_30_days'],
  ])('follows the secret of its cloud account, which %s', async (_, left, state, forecast) => {
    const cloudAccountId = await seed(api.database).cloudAccount(mine);
    const id = await registry({ kind: 'ecr', cloud_account_id: cloudAccountId });
    const expires_at = Date.now() + left;
    await api.database.write((trx) =>
      trx('cloud_accounts').where({ id: cloudAccountId }).update({ status: 'active', expires_at }),
    );
    const health = await healthOf(id);
    expect(health).toMatchObject({ state, forecast, expires_at: Math.floor(expires_at / 1000) });
    expect(health.next_action?.text).toContain(`PATCH /v1/cloud-accounts/${cloudAccountId}`);
  });

  test('needs attention if a repository does not allow pushes, and the integration stays usable', async () => {
    const id = await registry({});
    await check(id, 'denied', 'push_denied');
    const health = await healthOf(id);
    expect(health).toMatchObject({ state: 'attention', checks: [{ outcome: 'denied', code: 'push_denied' }] });
    expect(health.next_action?.text).toMatch(/denied/);
  });

  test('shows the action of its incident, and none of another organization', async () => {
    const link = 'https://github.com/organizations/octo/settings/installations/1';
    const raise = (subjectId: string, orgId: string) =>
      api.database.write((trx) =>
        allIncidents(trx).raise({ orgId, projectId: null, code: 'permissions_missing', subjectId, link }),
      );
    await raise(mine.githubAppId, await addOrg(api.database));
    expect((await healthOf(mine.integrationId)).next_action).toBeNull();
    await raise(mine.installationId, mine.orgId);
    expect(await healthOf(mine.integrationId)).toMatchObject({
      state: 'attention',
      next_action: { text: expect.stringMatching(/approve the permissions/), link },
    });
  });
});

test('the health of a project lists the worst first, with an expiry forecast', async () => {
  const soon = await registry({ expires_at: Date.now() + 3 * day });
  const later = await registry({ expires_at: Date.now() + 20 * day });
  const broken = await registry({ status: 'reauth_required' });
  const good = await registry({});
  type All = { integrations: Health[]; forecast: object };
  const all = await client.ask<All>('GET', `/v1/projects/${mine.projectId}/integrations/health`);
  expect(all.integrations.map(({ integration_id: id }) => id)).toEqual([
    broken,
    soon,
    later,
    // The seeded integrations were never checked.
    ...[mine.integrationId, mine.registryId].sort(),
    good,
  ]);
  expect(all.forecast).toEqual({ expired: 0, within_7_days: 1, within_30_days: 1 });
});
