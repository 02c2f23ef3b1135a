import { afterAll, beforeAll, expect, test } from 'vitest';
import { createHookKeys } from '../../../api/deliveries/webhook-keys.ts';
import { githubHost } from '../../../domain/github/github-host.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { addGithubApp, keyring } from '../../support/hooks.ts';
import { seed } from '../../support/scenes/seed.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.drop());

async function addApp(hostUrl: string, orgId: string | null): Promise<string> {
  const { id } = await addGithubApp(database, { appId: 77, secret: `of ${hostUrl}`, hostUrl, orgId });
  const { api } = githubHost(hostUrl);
  await database.write((trx) => trx('github_apps').where({ id }).update({ api_url: api }));
  return id;
}

test('if several Apps have the same number, the shared address means the operator’s App or that of the named host', async () => {
  const { orgId } = await seed(database).org();
  const theirs = await addApp('https://github.com', orgId);
  const server = await addApp('https://git.acme.dev', orgId);
  // Only an Enterprise Server names its host: webhooks from ghe.com look like those from github.com.
  const operators = await addApp('https://acme.ghe.com', null);
  const { keysFor } = createHookKeys({ database, keyring });
  const source = async (from: Parameters<typeof keysFor>[0]) => (await keysFor(from))?.githubAppId;

  expect(await source({ targetId: '77' })).toBe(operators);
  expect(await source({ targetId: '77', enterpriseHost: 'GIT.acme.dev' })).toBe(server);
  expect(await source({ targetId: '77', enterpriseHost: 'git.other.dev' })).toBeUndefined();
  expect(await source({ targetId: '77', githubAppId: theirs })).toBe(theirs);
});
