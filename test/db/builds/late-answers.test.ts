import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { applyAuthorizationEvent } from '../../../db/connect/apply-authorization-event.ts';
import { allConnectFlows, type ConnectFlow } from '../../../db/connect/connect-flows.ts';
import { allInstallations, type SeenInstallation } from '../../../db/github/installations.ts';
import { repositoriesIn } from '../../../db/github/repositories.ts';
import { githubAppPermissions } from '../../../domain/github/github-permissions.ts';
import type { GitHubStandIn } from '../../../stand-ins/github/stand-in.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { startGitHub } from '../../support/github.ts';
import { addGithubApp } from '../../support/hooks.ts';
import { flowRows } from '../../support/scenes/connect-flow.ts';
import { type Seed, seed } from '../../support/scenes/seed.ts';

let database: TestDatabase;
let github: GitHubStandIn;
let rows: Seed;
let githubAppId: string;
let number = 500;
let installationId: string;

beforeAll(async () => {
  [database, github] = await Promise.all([openTestDatabase(), startGitHub()]);
  rows = seed(database);
  githubAppId = (await addGithubApp(database, { appId: 51, secret: 'a secret of the test' })).id;
});
beforeEach(async () => {
  number += 10;
  installationId = await rows.installation(githubAppId, number);
  await rows.repository({ githubAppId, installationId, externalId: number + 1 });
});
afterAll(async () => {
  await github?.close();
  await database?.drop();
});

const seen = (): SeenInstallation => ({
  externalId: number,
  accountLogin: 'octo',
  accountId: 7,
  targetType: 'Organization',
  repositorySelection: 'selected',
  permissions: githubAppPermissions,
  events: [],
  suspendedAt: null,
});
const repository = () => ({
  externalId: number + 1,
  owner: 'octo',
  name: 'shop',
  fullName: 'octo/shop',
  url: 'https://github.com/octo/shop',
  visibility: 'private',
  defaultBranch: 'main',
  archived: false,
});
const upsert = (readAt: number) => database.write((trx) => allInstallations(trx).upsert(githubAppId, seen(), readAt));
const upsertRepository = (readAt: number) =>
  database.write((trx) => repositoriesIn(trx).upsert(githubAppId, installationId, [repository()], { readAt }));
const removedAt = async (table: 'installations' | 'repositories', externalId: number) => {
  const row = await database.reader(table).where({ github_app_id: githubAppId, external_id: externalId }).first();
  return row?.removed_at ?? null;
};

describe('an answer that GitHub gave before a removal', () => {
  test('does not bring back an installation, but a later one does', async () => {
    const before = Date.now() - 1_000;
    await database.write((trx) => allInstallations(trx).markRemoved(githubAppId, number));
    expect((await upsert(before)).removedAt).not.toBeNull();
    expect((await upsert(Date.now() + 1)).removedAt).toBeNull();
  });

  test('does not end a suspension, but a later one does', async () => {
    const before = Date.now() - 1_000;
    await database.write((trx) => allInstallations(trx).setSuspended(githubAppId, number, 1));
    expect((await upsert(before)).suspendedAt).toBe(1);
    expect((await upsert(Date.now() + 1)).suspendedAt).toBeNull();
  });

  test('does not bring back a repository, but a later one does', async () => {
    const before = Date.now() - 1_000;
    await database.write((trx) => repositoriesIn(trx).markRemoved(githubAppId, [number + 1]));
    await upsertRepository(before);
    expect(await removedAt('repositories', number + 1)).not.toBeNull();
    await upsertRepository(Date.now() + 1);
    expect(await removedAt('repositories', number + 1)).toBeNull();
  });
});

describe('an authorization that a person revokes', () => {
  const flowIn = async (githubUserId: number | null, appId = githubAppId): Promise<ConnectFlow> => {
    const flow = await flowRows(database, github).installing(await rows.org(), appId);
    if (githubUserId !== null) {
      await database.write((trx) => allConnectFlows(trx).note(flow.id, { githubUserId }));
    }
    return flow;
  };
  const statusOf = async ({ id }: ConnectFlow) => {
    const flow = await allConnectFlows(database.reader).find(id);
    return [flow?.status, flow?.reason];
  };

  test('ends the flows of that person’s sign-in and no others', async () => {
    const another = await addGithubApp(database, { appId: 52, secret: 'a secret of the test' });
    const theirs = [await flowIn(9_001), await flowIn(9_001)];
    const others = [await flowIn(9_002), await flowIn(null), await flowIn(9_001, another.id)];
    const ended = await database.write((trx) => applyAuthorizationEvent(trx, githubAppId, 9_001));
    expect(ended).toBe(2);
    for (const flow of theirs) expect(await statusOf(flow)).toEqual(['canceled', 'authorization_revoked']);
    for (const flow of others) expect(await statusOf(flow)).toEqual(['install_pending', null]);
    expect(await database.write((trx) => applyAuthorizationEvent(trx, githubAppId, 9_001))).toBe(0);
  });
});
