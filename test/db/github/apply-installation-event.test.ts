import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { allConnectFlows, type FlowNote, type NewConnectFlow } from '../../../db/connect/connect-flows.ts';
import { installationWitnessesIn } from '../../../db/connect/installation-witnesses.ts';
import { applyInstallationEvent } from '../../../db/github/apply-installation-event.ts';
import type { GithubApp } from '../../../db/github/github-apps.ts';
import type { FlowStatus } from '../../../domain/connect/flow-status.ts';
import { readGitHubEvent } from '../../../domain/deliveries/github-events.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { addGithubApp } from '../../support/hooks.ts';
import { type Seed, seed } from '../../support/scenes/seed.ts';

let database: TestDatabase;
let rows: Seed;
let app: GithubApp;
let another: GithubApp;
let number = 1_000;
let installationId: string;
let integrationId: string;

beforeAll(async () => {
  database = await openTestDatabase();
  rows = seed(database);
  app = await addGithubApp(database, { appId: 1, secret: 'secret of the test' });
  another = await addGithubApp(database, { appId: 2, secret: 'secret of the test' });
});

beforeEach(async () => {
  number += 10;
  installationId = await rows.installation(app.id, number);
  for (const at of [1, 2]) {
    await rows.repository({ githubAppId: app.id, installationId, externalId: number + at });
  }
  integrationId = await rows.integration({ ...(await rows.org()), githubAppId: app.id, installationId });
});

afterAll(() => database?.drop());

const account = { login: 'octo', id: 7, type: 'Organization' };

/** Applies the event as the relay does. */
function apply(name: string, payload: Record<string, unknown>, to = app): Promise<void> {
  const event = readGitHubEvent(name, { sender: { id: 7 }, ...payload }) as never;
  return database.write((trx) => applyInstallationEvent(trx, to.id, event));
}

const happened = (action: string, changes: Record<string, unknown> = {}, to = app) =>
  apply('installation', { action, installation: { id: number, account, ...changes } }, to);
const removed = (ids: number[], changes: Record<string, unknown> = {}, to = app) =>
  apply(
    'installation_repositories',
    {
      action: 'removed',
      installation: { id: number, account },
      repositories_removed: ids.map((id) => ({ id, name: 'x', full_name: 'octo/x' })),
      repositories_added: [],
      ...changes,
    },
    to,
  );
const installation = async (externalId = number) =>
  database.reader('installations').where({ github_app_id: app.id, external_id: externalId }).first();
const status = async () => (await database.reader('integrations').where({ id: integrationId }).first())?.status;
const within = async () => {
  const found = await database.reader('repositories').where({ installation_id: installationId, removed_at: null });
  return found.map(({ external_id }) => external_id - number).sort();
};

describe('what GitHub removes', () => {
  test('takes effect at once: a deleted installation, and the builds through it', async () => {
    await happened('deleted');
    expect((await installation())?.removed_at).toEqual(expect.any(Number));
    expect(await status()).toBe('disconnected');
  });

  test('takes effect at once: a suspended installation, with GitHub’s time', async () => {
    await happened('suspend', { suspended_at: '2026-01-02T03:04:05Z' });
    expect((await installation())?.suspended_at).toBe(Date.parse('2026-01-02T03:04:05Z'));
    expect(await status()).toBe('suspended');
  });

  test('takes effect at once: removed or deleted repositories', async () => {
    await removed([number + 1]);
    expect(await within()).toEqual([2]);
    await apply('repository', {
      action: 'deleted',
      installation: { id: number },
      repository: { id: number + 2, name: 'x', full_name: 'octo/x', owner: account },
    });
    expect(await within()).toEqual([]);
  });

  test('does not affect the same numbers of another App', async () => {
    await happened('deleted', {}, another);
    await happened('suspend', {}, another);
    await removed([number + 1], {}, another);
    expect(await installation()).toMatchObject({ removed_at: null, suspended_at: null });
    expect(await within()).toEqual([1, 2]);
    expect(await status()).toBe('active');
  });

  test('does not affect a repository that is now in another installation', async () => {
    await rows.installation(app.id, number + 5);
    await removed([number + 1], { installation: { id: number + 5, account } });
    expect(await within()).toEqual([1, 2]);
  });

  test('keeps the time of an earlier removal', async () => {
    await database.write((trx) => trx('installations').where({ id: installationId }).update({ removed_at: 1 }));
    await happened('deleted');
    expect((await installation())?.removed_at).toBe(1);
  });
});

describe('what GitHub adds', () => {
  test.each(['created', 'unsuspend', 'new_permissions_accepted'])(
    'is not taken from an event that says %s, which may be older than the deletion',
    async (action) => {
      await happened('suspend');
      await happened('deleted');
      await happened(action);
      expect(await installation()).toMatchObject({
        removed_at: expect.any(Number),
        suspended_at: expect.any(Number),
      });
      expect(await status()).toBe('disconnected');
    },
  );

  test('waits for the sync if repositories were added', async () => {
    await removed([number + 1]);
    const added = [{ id: number + 1, name: 'x', full_name: 'octo/x' }];
    await removed([], { action: 'added', repositories_added: added });
    expect(await within()).toEqual([2]);
  });

  test('shows a new installation at once, without an owner', async () => {
    await apply('installation', {
      action: 'created',
      installation: {
        id: number + 5,
        account,
        target_type: 'Organization',
        repository_selection: 'all',
        permissions: { contents: 'read' },
      },
    });
    const row = await installation(number + 5);
    expect(row).toMatchObject({
      org_id: null,
      account_login: 'octo',
      account_id: 7,
      repository_selection: 'all',
      permissions: '{"contents":"read"}',
      removed_at: null,
    });
    expect(await database.reader('bindings').where({ installation_id: row?.id ?? '' })).toEqual([]);
  });

  test('leaves no row for an unknown installation that is deleted', async () => {
    const gone = { id: number + 6, account };
    for (const action of ['deleted', 'suspend']) await apply('installation', { action, installation: gone });
    expect(await installation(number + 6)).toBeUndefined();
  });
});

describe('the person who created an installation', () => {
  const witnesses = (to = app) =>
    installationWitnessesIn(database.reader).list({ githubAppId: to.id, externalId: number });
  const people = { sender: { id: 21 }, requester: { id: 22 } };
  const created_at = '2026-01-02T03:04:05Z';
  const made = (changes: Record<string, unknown> = people, to = app) =>
    apply('installation', { action: 'created', installation: { id: number, account, created_at }, ...changes }, to);

  test('is recorded once, with the account and the requester', async () => {
    await made();
    await made({ sender: { id: 31 }, requester: { id: 32 } });
    const seen = await witnesses();
    expect(seen.map(({ role, githubUserId, accountId }) => [role, githubUserId, accountId]).sort()).toEqual([
      ['requester', 22, 7],
      ['sender', 21, 7],
    ]);
    expect(await witnesses(another)).toEqual([]);
  });

  test('comes only from the creation event', async () => {
    for (const action of ['unsuspend', 'new_permissions_accepted', 'deleted']) await happened(action);
    await removed([], { action: 'added', repositories_added: [], requester: { id: 22 } });
    expect(await witnesses()).toEqual([]);
  });

  test.each([
    ['text', created_at],
    ['seconds', Date.parse(created_at) / 1000],
  ])('is recorded with GitHub’s time in %s, however late the event arrives', async (_, at) => {
    await made({ ...people, installation: { id: number, account, created_at: at } });
    expect((await witnesses()).map(({ createdAt }) => createdAt)).toEqual([1, 2].map(() => Date.parse(created_at)));
  });

  test.each([undefined, null, '', 'yesterday', '7', 0, -1, Number.MAX_SAFE_INTEGER, '2026-13-02T03:04:05Z'])(
    'is unknown if GitHub does not name the time: %s',
    async (at) => {
      await made({ ...people, installation: { id: number, account, created_at: at } });
      expect(await witnesses()).toEqual([]);
    },
  );

  test('is unknown if the event names no person or account', async () => {
    await made({ sender: null, requester: null });
    await made({ sender: { id: '21' }, installation: { id: number, account: null, created_at } });
    expect(await witnesses()).toEqual([]);
  });

  async function newFlow(changes: Partial<NewConnectFlow> = {}) {
    const owner = await rows.org();
    return database.write((trx) =>
      allConnectFlows(trx).insert({
        ...owner,
        kind: 'operator',
        createdBy: 'operator',
        hostUrl: 'https://github.com',
        apiUrl: 'https://api.github.com',
        githubAppId: app.id,
        integrationId: null,
        displayName: null,
        appName: 'Fairlead',
        appPublic: true,
        accountId: null,
        accountLogin: null,
        redirectUrl: null,
        claimedInstallation: number,
        expiresAt: Date.now() + 60_000,
        ...changes,
      }),
    );
  }
  const move = (id: string, to: FlowStatus, note: FlowNote = {}) =>
    database.write((trx) => allConnectFlows(trx).move(id, to, note));

  async function asking(githubUserId: number, changes: Partial<NewConnectFlow> = {}) {
    const flow = await newFlow({ claimedInstallation: null, ...changes });
    await move(flow.id, 'install_pending');
    await move(flow.id, 'awaiting_approval', { githubUserId });
    return flow;
  }

  async function woken(flows: { id: string }[]) {
    const names = new Map(flows.map(({ id }) => [`connect-github/${id}`, id]));
    const commands = await database.reader('commands').whereIn('workflow_id', [...names.keys()]);
    for (const { workflow_id, signal, input } of commands) {
      expect([signal, JSON.parse(input)]).toEqual(['installed', { flowId: names.get(workflow_id) }]);
    }
    return commands.map(({ workflow_id }) => names.get(workflow_id)).sort();
  }

  test('wakes the open flows that name the installation, and those of its requester', async () => {
    const concerned = [await newFlow(), await asking(21), await asking(22)];
    const others = [
      await newFlow({ claimedInstallation: number + 1 }),
      await newFlow({ claimedInstallation: null }),
      await newFlow({ githubAppId: another.id }),
      await asking(23),
      await asking(21, { githubAppId: another.id }),
    ];
    const over = await newFlow();
    await move(over.id, 'canceled');
    await made();
    expect(await woken([...concerned, ...others, over])).toEqual(concerned.map(({ id }) => id).sort());
  });

  test('wakes the flows that name the installation if the event names no person', async () => {
    const flows = [await newFlow(), await asking(21)];
    await made({ sender: null, requester: null });
    expect(await woken(flows)).toEqual([flows[0]?.id]);
  });

  test('wakes a hundred flows at most', async () => {
    const flows = [];
    for (let at = 0; at < 102; at += 1) flows.push(await newFlow());
    await made();
    expect(await woken(flows)).toHaveLength(100);
  });

  test('counts the waiting flows of an organization', async () => {
    const owner = await rows.org();
    const count = async (orgId: string) => allConnectFlows(database.reader).countOpen(orgId);
    const over = await newFlow(owner);
    await move(over.id, 'canceled');
    await newFlow(owner);
    await newFlow({ ...owner, githubAppId: another.id });
    await newFlow();
    expect(await count(owner.orgId)).toBe(2);
    expect(await count((await rows.org()).orgId)).toBe(0);
  });
});
