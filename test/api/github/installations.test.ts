import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { githubAppEvents, githubAppPermissions } from '../../../domain/github/github-permissions.ts';
import type { Scope } from '../../../domain/people/scopes.ts';
import { startApi, type TestApi } from '../../support/api.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { type Seed, seed } from '../../support/scenes/seed.ts';
import { addProject, addToken } from '../../support/scenes/tenants.ts';

type View = Record<string, unknown>;
type Owner = { orgId: string; projectId: string };

let database: TestDatabase;
let api: TestApi;
let rows: Seed;
let lastNumber = 7_000;

beforeAll(async () => {
  database = await openTestDatabase();
  api = await startApi({ database });
  rows = seed(database);
});

afterAll(() => api?.stop());

const number = () => {
  lastNumber += 1;
  return lastNumber;
};

/** Creates an App of the organization or of the operator. */
const addApp = (orgId: string | null) => rows.githubApp(number(), { orgId, slug: `app-${number()}` });

/** Creates an integration that is bound to one installation of the App. */
async function integrate(owner: Owner, githubAppId: string, granted: Parameters<Seed['installation']>[2] = {}) {
  const installationId = await rows.installation(githubAppId, number(), granted);
  return rows.integration({ ...owner, githubAppId, installationId });
}

const as = async (owner: { orgId: string; projectId?: string }, allowed?: Scope[]) =>
  api.as((await addToken(database, owner, allowed)).secret);
const pathOf = (integrationId: string) => `/v1/integrations/${integrationId}/installations`;

describe('an installation', () => {
  test('shows its account and its permissions, and lists nothing as missing if everything is granted', async () => {
    const owner = await rows.org();
    const granted = { permissions: JSON.stringify(githubAppPermissions), events: JSON.stringify(githubAppEvents) };
    const id = await integrate(owner, await addApp(null), { ...granted, repository_selection: 'selected' });
    expect(await (await as(owner)).ask<View[]>('GET', pathOf(id))).toEqual([
      {
        id: expect.stringMatching(/^ins_/),
        installation_id: expect.any(Number),
        org_id: owner.orgId,
        account: { id: expect.any(Number), login: 'octo', type: 'Organization' },
        repository_selection: 'selected',
        permissions: githubAppPermissions,
        events: githubAppEvents,
        drift: null,
        suspended: false,
        sync_error: null,
        updated_at: expect.any(Number),
      },
    ]);
  });

  test('shows missing permissions, a suspension and the reason of a failed sync', async () => {
    const owner = await rows.org();
    const { deployments: _, ...others } = githubAppPermissions;
    const id = await integrate(owner, await addApp(null), {
      permissions: JSON.stringify({ ...others, checks: 'read', contents: 'write' }),
      events: JSON.stringify(githubAppEvents.filter((event) => event !== 'workflow_run')),
      suspended_at: 1,
      sync_error: 'policy',
    });
    expect(await (await as(owner)).ask<View[]>('GET', pathOf(id))).toMatchObject([
      {
        drift: {
          missing: { checks: 'write', deployments: 'write' },
          missing_events: ['workflow_run'],
          lost: ['commits get a status only, and cannot be built again from GitHub', 'environments show no deployment'],
          approval_url: expect.stringMatching(
            /\/organizations\/.+\/settings\/installations\/\d+\/permissions\/update$/,
          ),
        },
        suspended: true,
        sync_error: 'policy',
      },
    ]);
  });
});

describe('unbound installations', () => {
  /** Creates an organization with its own App, which is bound to one account and installed on others. */
  async function withOwnApp(name: string) {
    const owner = await rows.org(name);
    const githubAppId = await addApp(owner.orgId);
    const integrationId = await integrate(owner, githubAppId);
    const free = await rows.installation(githubAppId, number());
    await rows.installation(githubAppId, number(), { removed_at: 1 });
    return { owner, githubAppId, integrationId, free };
  }
  const idsIn = (views: View[]) => views.map(({ id }) => id);

  test('are shown only to the admins of the organization that owns the App', async () => {
    const [mine, theirs] = [await withOwnApp('mine'), await withOwnApp('theirs')];
    const admin = await as({ orgId: mine.owner.orgId });
    const unbound = `${pathOf(mine.integrationId)}?unbound=true`;
    expect(idsIn(await admin.ask('GET', unbound))).toEqual([mine.free]);
    expect(idsIn(await admin.ask('GET', pathOf(mine.integrationId)))).not.toContain(mine.free);

    const other = await as({ orgId: theirs.owner.orgId });
    expect((await other.send('GET', unbound)).status).toBe(404);
    expect(idsIn(await other.ask('GET', `${pathOf(theirs.integrationId)}?unbound=true`))).toEqual([theirs.free]);
    const reader = await as({ orgId: mine.owner.orgId }, ['integrations:read']);
    expect(await reader.send('GET', unbound)).toMatchObject({ status: 403, body: { code: 'missing_scope' } });
    // A caller with access to one project does not see the installations of the whole organization.
    const inProject = await as(mine.owner);
    expect(await inProject.ask('GET', unbound)).toEqual([]);
  });

  test('of another owner’s App are hidden, even from an organization with an integration of that App', async () => {
    const theirs = await withOwnApp('theirs');
    const operators = await addApp(null);
    const unclaimed = await rows.installation(operators, number());
    for (const githubAppId of [theirs.githubAppId, operators]) {
      const owner = await rows.org();
      const id = await integrate(owner, githubAppId);
      const admin = await as({ orgId: owner.orgId });
      expect(await admin.ask('GET', `${pathOf(id)}?unbound=true`)).toEqual([]);
    }
    const all = await api.admin.ask<View[]>('GET', '/v1/installations?unbound=true&limit=200');
    expect(idsIn(all)).toContain(unclaimed);
  });

  test('are returned page by page', async () => {
    const mine = await withOwnApp('mine');
    const more = [mine.free];
    for (let at = 0; at < 4; at += 1) more.push(await rows.installation(mine.githubAppId, number()));
    const admin = await as({ orgId: mine.owner.orgId });
    const found: unknown[] = [];
    for (let path: string | undefined = `${pathOf(mine.integrationId)}?unbound=true&limit=2`; path; ) {
      const page: { body: View[]; headers: Headers } = await admin.send<View[]>('GET', path);
      found.push(...idsIn(page.body));
      path = /<([^>]+)>; rel="next"/.exec(page.headers.get('link') ?? '')?.[1];
    }
    expect(found.sort()).toEqual(more.sort());
  });

  test('include one whose integration was deleted', async () => {
    const mine = await withOwnApp('mine');
    const projectId = await addProject(database, mine.owner.orgId);
    const installationId = await rows.installation(mine.githubAppId, number());
    await rows.integration(
      { ...mine.owner, projectId, githubAppId: mine.githubAppId, installationId },
      { status: 'deleted' },
    );
    const found = await (await as({ orgId: mine.owner.orgId })).ask<View[]>(
      'GET',
      `${pathOf(mine.integrationId)}?unbound=true`,
    );
    expect(idsIn(found)).toContain(installationId);
  });
});
