import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { followInstallations } from '../../../db/github/follow-installations.ts';
import { type IntegrationStatus, integrationStatuses } from '../../../domain/integrations/integration-status.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { addGithubApp } from '../../support/hooks.ts';
import { type Seed, seed } from '../../support/scenes/seed.ts';

type State = 'usable' | 'suspended' | 'gone';

let database: TestDatabase;
let rows: Seed;
let githubAppId: string;
let number = 0;

beforeAll(async () => {
  database = await openTestDatabase();
  rows = seed(database);
  githubAppId = (await addGithubApp(database, { appId: 41, secret: 'a secret of the test' })).id;
});
afterAll(() => database?.drop());

const reasons: Partial<Record<IntegrationStatus, string>> = {
  suspended: 'installation_suspended',
  disconnected: 'installation_gone',
};
const columns: Record<State, { removed_at: number | null; suspended_at: number | null }> = {
  usable: { removed_at: null, suspended_at: null },
  suspended: { removed_at: null, suspended_at: 1 },
  gone: { removed_at: 1, suspended_at: null },
};

/** Binds an integration with this status to installations in these states. Returns its next status. */
async function follow(status: IntegrationStatus, states: State[]): Promise<string> {
  const of = await rows.org();
  const ids: string[] = [];
  for (const state of states) {
    number += 1;
    ids.push(await rows.installation(githubAppId, number, columns[state]));
  }
  const [first = '', ...others] = ids;
  const before = { status, status_reason: reasons[status] ?? null };
  const id = await rows.integration({ ...of, githubAppId, installationId: first }, before);
  await database.write(async (trx) => {
    for (const installation_id of others)
      await trx('bindings').insert({ integration_id: id, installation_id, owner_id: of.projectId, created_at: 1 });
    await followInstallations(trx, githubAppId);
  });
  const row = await database.reader('integrations').where({ id }).first();
  return [row?.status, row?.status_reason].filter(Boolean).join(': ');
}

describe('an integration with several installations', () => {
  test.each<[State[], string]>([
    [['usable', 'usable'], 'active'],
    [['usable', 'suspended'], 'active'],
    [['usable', 'gone'], 'active'],
    [['gone', 'suspended', 'usable'], 'active'],
    [['suspended', 'suspended'], 'suspended: installation_suspended'],
    [['suspended', 'gone'], 'suspended: installation_suspended'],
    [['gone', 'gone'], 'disconnected: installation_gone'],
  ])('on %j becomes %s from any status', async (states, status) => {
    for (const before of ['active', 'suspended', 'disconnected'] as const)
      expect(await follow(before, states)).toBe(status);
  });
});

test.each(['degraded', 'reauth_required'] as const)(
  'that is %s stays so while an installation is usable, and follows one that is not',
  async (status) => {
    expect(await follow(status, ['usable', 'gone'])).toBe(status);
    expect(await follow(status, ['suspended'])).toBe('suspended: installation_suspended');
    expect(await follow(status, ['gone'])).toBe('disconnected: installation_gone');
  },
);

const apart = integrationStatuses.filter(
  (one) => !['active', 'suspended', 'disconnected', 'degraded', 'reauth_required'].includes(one),
);

test.each(apart)('that is %s does not change', async (status) => {
  for (const state of ['usable', 'suspended', 'gone'] as const) expect(await follow(status, [state])).toBe(status);
});

test('without a binding, or on another App, does not change', async () => {
  const other = (await addGithubApp(database, { appId: 42, secret: 'a secret of the test' })).id;
  const installationId = await rows.installation(other, 1, columns.gone);
  const elsewhere = await rows.integration({ ...(await rows.org()), githubAppId: other, installationId });
  const bare = await rows.integration({ ...(await rows.org()), githubAppId, installationId });
  await database.write(async (trx) => {
    await trx('bindings').where({ integration_id: bare }).delete();
    await followInstallations(trx, githubAppId);
  });
  const statuses = await database.reader('integrations').whereIn('id', [elsewhere, bare]).select('status');
  expect(statuses.map(({ status }) => status)).toEqual(['active', 'active']);
});
