import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { githubAppPermissions } from '../../domain/github/github-permissions.ts';
import type { App, GitHubStandIn, Installation, Repository } from '../../stand-ins/github/stand-in.ts';
import type { Client } from '../support/client.ts';
import { startGitHub } from '../support/github.ts';
import { addOperatorApp } from '../support/scenes/operator-app.ts';
import { type BuildView, workflowFile } from '../support/scenes/platform.ts';
import { addOrg, addProject } from '../support/scenes/tenants.ts';
import { startWhole, type Whole } from '../support/scenes/whole.ts';
import { type World, world } from '../support/scenes/world.ts';

type Operation = { id: string; status: string; outcome: string | null };

let github: GitHubStandIn;
let whole: Whole;
let app: { id: string; theirs: App };
let client: Client;
let installation: Installation;
let orgId: string;
let repository: Repository;
/** What the first project of a test owns. The other projects use the same installation. */
let first: World | undefined;

beforeAll(async () => {
  github = await startGitHub();
  whole = await startWhole(github);
  app = await addOperatorApp(whole.database, github);
  client = whole.admin;
}, 60_000);
afterAll(async () => {
  await whole?.stop();
  await github?.close();
});

beforeEach(async () => {
  github.faults.clear();
  orgId = await addOrg(whole.database);
  installation = github.addInstallation(app.theirs, { permissions: { ...githubAppPermissions } });
  repository = github.addRepository(installation, { workflows: { '.github/workflows/deploy.yml': workflowFile } });
  first = undefined;
});

/** A project with an integration on the installation, an app and a pipeline. */
async function connect() {
  const made = await world(whole.database, {
    owner: { orgId, projectId: await addProject(whole.database, orgId) },
    githubAppId: app.id,
    on: first,
    theirs: { installation, repository },
    installation: { permissions: JSON.stringify(githubAppPermissions) },
  });
  first ??= made;
  return { ...made, pipelineId: await made.newPipeline() };
}

type Connected = Awaited<ReturnType<typeof connect>>;

/** Asks again if the machine is too busy to get GitHub's answer in time. */
const trigger = ({ pipelineId }: Connected) =>
  vi.waitFor(() => client.ask<BuildView>('POST', `/v1/pipelines/${pipelineId}/builds`, {}), { timeout: 20_000 });
const remove = async ({ integrationId }: Connected) =>
  (await client.ask<{ operation: Operation }>('DELETE', `/v1/integrations/${integrationId}`)).operation;
const build = (id: string) => client.ask<BuildView>('GET', `/v1/builds/${id}`);
/** GitHub's changes to the repository's commits and check runs, up to the first request to uninstall the App. */
function toldSoFar(): string[] {
  const path = `/app/installations/${installation.id}`;
  const first = github.ledger.findIndex((entry) => entry.method === 'DELETE' && entry.path === path);
  const asked = github.ledger.slice(0, first < 0 ? undefined : first);
  const taken = asked.filter(({ path, status }) => path.startsWith(`/repos/${repository.fullName}/`) && status < 300);
  return taken.flatMap(({ path, body }) => {
    const { state, status, conclusion } = (body ?? {}) as Record<string, unknown>;
    if (path.includes('/statuses/')) return [`commit ${state}`];
    return path.includes('/check-runs') && status ? [`check ${conclusion ?? status}`] : [];
  });
}

const uninstalled = () =>
  github.requests({ method: 'DELETE', path: new RegExp(`^/app/installations/${installation.id}$`) });

async function outcomeOf({ id }: Operation): Promise<string | null> {
  const find = async () => (await client.ask<{ operation: Operation }>('GET', `/v1/operations/${id}`)).operation;
  await expect.poll(async () => (await find()).status, { timeout: 25_000, interval: 50 }).toBe('succeeded');
  return (await find()).outcome;
}

describe('deleting an integration', () => {
  test('ends its builds first, and retries until the App is uninstalled at GitHub', {
    timeout: 60_000,
  }, async () => {
    const mine = await connect();
    const running = await trigger(mine);
    await expect.poll(async () => (await build(running.id)).status, { timeout: 15_000 }).toBe('running');
    github.faults.add({ method: 'DELETE', path: /^\/app\/installations/, times: 3, kind: 'status', status: 500 });

    const operation = await remove(mine);
    const canceled = { status: 'canceled', reason: 'integration_deleted' };
    await expect.poll(() => build(running.id), { timeout: 10_000 }).toMatchObject(canceled);
    expect(await outcomeOf(operation)).toBe('revoked');
    expect(uninstalled().map(({ status }) => status)).toEqual([500, 500, 500, 204]);
    const asked = github.ledger.filter(({ path }) => /\/cancel$|^\/app\/installations\/\d+$/.test(path));
    expect(asked[0]?.path).toMatch(/\/cancel$/);
    const row = await whole.database.reader('integrations').where({ id: mine.integrationId }).first();
    expect(row).toMatchObject({ status: 'deleted', revocation_outcome: 'revoked' });
    const failed = { status: 'failed', reason: 'integration_deleted' };
    expect(await trigger(mine)).toMatchObject(failed);
  });

  test('tells GitHub how its builds ended before the App is gone, even if GitHub fails at first', {
    timeout: 60_000,
  }, async () => {
    const mine = await connect();
    const running = await trigger(mine);
    const begun = ['check in_progress', 'commit pending'];
    await expect.poll(() => toldSoFar().sort(), { timeout: 15_000 }).toEqual(begun);
    github.faults.add({ method: 'POST', path: /\/statuses\/\w+$/, times: 2, kind: 'status', status: 500 });

    expect(await outcomeOf(await remove(mine))).toBe('revoked');
    expect(await build(running.id)).toMatchObject({ status: 'canceled' });
    expect(toldSoFar().sort()).toEqual(['check cancelled', begun[0], 'commit error', begun[1]]);
  });

  test('keeps an installation that another project uses, until that project deletes its integration, too', {
    timeout: 60_000,
  }, async () => {
    const [here, there] = [await connect(), await connect()];
    expect(await outcomeOf(await remove(here))).toBe('retained_shared');
    expect(uninstalled()).toEqual([]);
    const { id } = await trigger(there);
    await expect.poll(async () => (await build(id)).status, { timeout: 15_000 }).toBe('running');
    expect(await outcomeOf(await remove(there))).toBe('revoked');
    expect(uninstalled()).toHaveLength(1);
  });

  test('uninstalls once when two projects delete at once', { timeout: 60_000 }, async () => {
    const both = [await connect(), await connect()];
    const operations = await Promise.all(both.map(remove));
    const outcomes = await Promise.all(operations.map(outcomeOf));
    expect(outcomes.sort()).toEqual(['retained_shared', 'revoked']);
    expect(uninstalled()).toHaveLength(1);
  });

  test('deletes everything that an organization has', { timeout: 60_000 }, async () => {
    await connect();
    await connect();
    const { operation } = await client.ask<{ operation: Operation }>('DELETE', `/v1/orgs/${orgId}`);
    await outcomeOf(operation);
    expect(uninstalled()).toHaveLength(1);
    const left = await whole.database.reader('integrations').where({ org_id: orgId }).whereNot({ status: 'deleted' });
    expect(left).toEqual([]);
  });
});
