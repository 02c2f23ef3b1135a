import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { GitHubBroker } from '../../../broker/github/github.ts';
import { newId } from '../../../domain/ids.ts';
import type { NewRepository } from '../../../stand-ins/github/seeds.ts';
import type { App, GitHubStandIn } from '../../../stand-ins/github/stand-in.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { startGitHub } from '../../support/github.ts';
import { addOperatorApp, brokerTo } from '../../support/scenes/operator-app.ts';
import { workflowFile } from '../../support/scenes/platform.ts';
import { type Seed, seed } from '../../support/scenes/seed.ts';

let database: TestDatabase;
let github: GitHubStandIn;
let other: GitHubStandIn;
let rows: Seed;
let app: { id: string; theirs: App };
let broker: GitHubBroker;

beforeAll(async () => {
  [database, github, other] = await Promise.all([openTestDatabase(), startGitHub(), startGitHub({ flavour: 'ghes' })]);
  rows = seed(database);
  app = await addOperatorApp(database, github);
  broker = brokerTo(database, github, other);
});

afterEach(() => {
  expect(github.violations).toEqual([]);
  github.faults.clear();
});

afterAll(async () => {
  await Promise.all([github?.close(), other?.close()]);
  await database?.drop();
});

/** An installation with one repository, at GitHub and here. */
async function reachable(repository: NewRepository = {}) {
  const installation = github.addInstallation(app.theirs);
  const theirs = github.addRepository(installation, repository);
  const installationId = await rows.installation(app.id, installation.id, {
    permissions: JSON.stringify(installation.permissions),
  });
  const repositoryId = await rows.repository(
    { githubAppId: app.id, installationId, externalId: theirs.id },
    { owner: theirs.owner, name: theirs.name, full_name: theirs.fullName },
  );
  const mints = (at = github, number = installation.id) =>
    at.requests({ method: 'POST', path: new RegExp(`^/app/installations/${number}/access_tokens$`) });
  return { theirs, installation, installationId, repositoryId, mints };
}

const ownerId = newId('prj');
const contents = { contents: 'read' };

describe('a token', () => {
  test('is minted once for a thousand concurrent callers, for one repository and these permissions only', async () => {
    const { theirs, repositoryId, mints } = await reachable();
    const permissions = { statuses: 'write', contents: 'read' };
    const asked = Array.from({ length: 1000 }, () => broker.forRepository({ ownerId, repositoryId, permissions }));
    const all = await Promise.all(asked);

    expect(mints().map(({ body }) => body)).toEqual([{ repository_ids: [theirs.id], permissions }]);
    expect(await all[999]?.github.getBranch(theirs.fullName, 'main')).toMatchObject({ name: 'main' });
    await broker.forRepository({ ownerId, repositoryId, permissions: { contents: 'read', statuses: 'write' } });
    expect(mints()).toHaveLength(1);
  });

  test('is requested with the App’s JWT: RS256, slightly back-dated, valid for ten minutes at most', async () => {
    const { repositoryId, mints } = await reachable();
    await broker.forRepository({ ownerId, repositoryId, permissions: contents });
    const [header, claims] = (mints()[0]?.authorization ?? '')
      .replace(/^bearer /i, '')
      .split('.')
      .map((part) => {
        const bytes = Buffer.from(part, 'base64url').toString();
        return bytes.startsWith('{') ? (JSON.parse(bytes) as Record<string, number>) : {};
      });
    const now = Date.now() / 1000;
    const { iss, iat = 0, exp = 0 } = claims ?? {};
    expect(header).toMatchObject({ alg: 'RS256' });
    expect(Number(iss)).toBe(app.theirs.appId);
    expect(exp - iat).toBeLessThanOrEqual(600);
    expect(now - iat).toBeLessThanOrEqual(90);
  });

  test('of one project is not given to another', async () => {
    const { repositoryId, mints } = await reachable();
    await broker.forRepository({ ownerId, repositoryId, permissions: contents });
    await broker.forRepository({ ownerId: newId('prj'), repositoryId, permissions: contents });
    expect(mints()).toHaveLength(2);
  });

  test('with more permissions is another token', async () => {
    const { repositoryId, mints } = await reachable();
    await broker.forRepository({ ownerId, repositoryId, permissions: contents });
    await broker.forRepository({ ownerId, repositoryId, permissions: { ...contents, actions: 'write' } });
    expect(mints()).toHaveLength(2);
  });

  test('of one host is not sent to another with equal App, installation and repository numbers', async () => {
    const here = await reachable();
    const enterprise = await addOperatorApp(database, other, {
      hostUrl: 'https://github.example.com',
      theirs: other.addApp({ appId: app.theirs.appId }),
    });
    const there = other.addRepository(other.addInstallation(enterprise.theirs, { id: here.installation.id }), {
      id: here.theirs.id,
      name: here.theirs.name,
    });
    const installationId = await rows.installation(enterprise.id, here.installation.id);
    const repositoryId = await rows.repository(
      { githubAppId: enterprise.id, installationId, externalId: there.id },
      { full_name: there.fullName },
    );
    const asked = Array.from({ length: 100 }, (_, at) =>
      broker.branches({ ownerId, repositoryId: at % 2 ? repositoryId : here.repositoryId }, {}),
    );
    for (const { branches } of await Promise.all(asked)) expect(branches).toHaveLength(1);

    expect(here.mints()).toHaveLength(1);
    expect(here.mints(other)).toHaveLength(1);
    const refused = [...github.ledger, ...other.ledger].filter(({ status }) => status === 401);
    expect(refused).toEqual([]);
    expect(other.violations).toEqual([]);
  });

  test('that GitHub rejects is not used again', async () => {
    const { theirs, repositoryId, mints } = await reachable();
    const ask = () => broker.branches({ ownerId, repositoryId }, {});
    await ask();
    github.state.tokens.clear();
    await expect(ask()).rejects.toMatchObject({ code: 'token_rejected' });
    expect((await ask()).branches.map(({ name }) => name)).toEqual([theirs.defaultBranch]);
    expect(mints()).toHaveLength(2);
  });

  test('that could not be minted is requested again by the next caller', async () => {
    const { repositoryId } = await reachable();
    const ask = (permissions: Record<string, string>) => broker.forRepository({ ownerId, repositoryId, permissions });
    github.faults.add({ path: /access_tokens$/, kind: 'status', status: 503, times: 1 });
    await expect(ask(contents)).rejects.toMatchObject({ code: 'unavailable' });
    await expect(ask(contents)).resolves.toBeDefined();
  });
});

test('tells a permission that was not granted from a repository that was removed', async () => {
  const { theirs, repositoryId } = await reachable();
  const ask = (permissions: Record<string, string>) => broker.forRepository({ ownerId, repositoryId, permissions });
  await expect(ask({ contents: 'write', checks: 'write', actions: 'write' })).rejects.toMatchObject({
    code: 'permission_missing',
    message: 'The installation on octo does not grant contents: write, checks: write',
  });
  github.removeRepository(theirs);
  await expect(ask(contents)).rejects.toMatchObject({ code: 'not_found' });
});

describe('an installation that is cut off', () => {
  test.each([
    ['suspended', { suspended_at: 1 }, 'installation_suspended'],
    ['removed', { removed_at: 1 }, 'installation_gone'],
  ])('and is known to be %s gets no token, without a call to GitHub', async (_, changes, code) => {
    const { repositoryId, installationId, mints } = await reachable();
    await broker.branches({ ownerId, repositoryId }, {});
    await database.write((trx) => trx('installations').where({ id: installationId }).update(changes));
    const before = github.ledger.length;
    await expect(broker.branches({ ownerId, repositoryId }, {})).rejects.toMatchObject({ code });
    expect(github.ledger.length).toBe(before);
    expect(mints()).toHaveLength(1);
  });

  test('while its token is minted gets nothing', async () => {
    const { repositoryId, installationId, mints } = await reachable();
    github.faults.add({ path: /access_tokens$/, kind: 'slow', delayMs: 500, times: 1 });
    const asked = broker.branches({ ownerId, repositoryId }, {});
    const refused = expect(asked).rejects.toMatchObject({ code: 'installation_suspended' });
    await expect.poll(() => mints().length).toBe(1);
    await database.write((trx) => trx('installations').where({ id: installationId }).update({ suspended_at: 1 }));
    await refused;
    await database.write((trx) => trx('installations').where({ id: installationId }).update({ suspended_at: null }));
    await broker.branches({ ownerId, repositoryId }, {});
    expect(mints()).toHaveLength(2);
  });

  test('at GitHub, before Fairlead knows, has its own code', async () => {
    const suspended = await reachable();
    github.suspend(suspended.installation);
    const asking = { ownerId, repositoryId: suspended.repositoryId };
    await expect(broker.branches(asking, {})).rejects.toMatchObject({ code: 'installation_suspended' });
    const gone = await reachable();
    github.uninstall(gone.installation);
    const other = { ownerId, repositoryId: gone.repositoryId };
    await expect(broker.branches(other, {})).rejects.toMatchObject({ code: 'installation_gone' });
  });
});

test('does not request a repository that the App no longer reaches', async () => {
  const { repositoryId, mints } = await reachable();
  await database.write((trx) => trx('repositories').where({ id: repositoryId }).update({ removed_at: 1 }));
  await expect(broker.branches({ ownerId, repositoryId }, {})).rejects.toMatchObject({ code: 'not_found' });
  expect(mints()).toHaveLength(0);
});

test('lists branches within five seconds, token and answer together', async () => {
  const { repositoryId } = await reachable();
  github.faults.add({ path: /access_tokens$/, kind: 'slow', delayMs: 3_000, times: 1 });
  github.faults.add({ path: /\/branches$/, kind: 'hang', times: 1 });
  const began = performance.now();
  await expect(broker.branches({ ownerId, repositoryId }, {})).rejects.toMatchObject({ code: 'timeout' });
  const tookMs = performance.now() - began;
  expect(tookMs).toBeGreaterThan(3_000);
  expect(tookMs).toBeLessThan(6_000);
});

test('judges the workflow file on the default branch', async () => {
  const { repositoryId } = await reachable({ workflows: { '.github/workflows/deploy.yml': workflowFile } });
  const inspect = (file: string) =>
    broker.inspectWorkflowFile({ ownerId, repositoryId }, file, ['fairlead_build', 'region']);
  expect(await inspect('deploy.yml')).toEqual({
    readable: true,
    dispatchable: true,
    missingInputs: ['region'],
    runNameShowsBuild: true,
  });
  expect(await inspect('other.yml')).toBeUndefined();
});
