import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Binding, type BindingOutcome, bindInstallation } from '../../../db/github/bind-installation.ts';
import { allInstallations } from '../../../db/github/installations.ts';
import { allIntegrations } from '../../../db/integrations/integrations.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { addGithubApp } from '../../support/hooks.ts';
import { type Seed, seed } from '../../support/scenes/seed.ts';

let database: TestDatabase;
let rows: Seed;
let githubAppId: string;
let number = 0;

beforeAll(async () => {
  database = await openTestDatabase();
  rows = seed(database);
  githubAppId = (await addGithubApp(database, { appId: 42, secret: 'a secret of the test' })).id;
});
afterAll(() => database?.drop());

type Owner = { orgId: string; projectId: string };

async function bind(owner: Owner, installationId: string, changes: Partial<Binding> = {}): Promise<BindingOutcome> {
  return database.write(async (trx) => {
    const installation = await allInstallations(trx).find(installationId);
    if (!installation) throw new Error('The test has no such installation');
    const usual = { hostUrl: 'https://github.com', displayName: null, createdBy: 'system', status: 'active' as const };
    return bindInstallation(trx, { ...owner, ...usual, installation, joins: null, ...changes });
  });
}

function newInstallation(): Promise<string> {
  number += 1;
  return rows.installation(githubAppId, number);
}

test('makes an integration that is named after the account', async () => {
  const owner = await rows.org();
  const installationId = await newInstallation();
  const bound = await bind(owner, installationId, { status: 'suspended' });
  if (bound.outcome !== 'bound') throw new Error(`The outcome is ${bound.outcome}`);
  expect(await allIntegrations(database.reader).find(bound.integrationId)).toMatchObject({
    ...owner,
    status: 'suspended',
    displayName: 'GitHub: octo',
    metadata: { installation_id: number },
  });
  expect(await allInstallations(database.reader).boundTo(owner.projectId, installationId)).toBe(bound.integrationId);
});

test('returns the integration that the owner has for the installation already', async () => {
  const owner = await rows.org();
  const installationId = await newInstallation();
  const integrationId = await rows.integration({ ...owner, githubAppId, installationId });
  expect(await bind(owner, installationId)).toEqual({ outcome: 'already_bound', integrationId });
});

test('makes nothing for an installation that another organization has', async () => {
  const [owner, other] = [await rows.org(), await rows.org('other')];
  const installationId = await newInstallation();
  await rows.integration({ ...owner, githubAppId, installationId });
  expect(await bind(other, installationId)).toEqual({ outcome: 'claimed_by_other_org' });
  expect(await database.reader('integrations').where({ org_id: other.orgId })).toEqual([]);
});

test('names the integration that has the identity of the installation without being bound to it', async () => {
  const owner = await rows.org();
  const installationId = await newInstallation();
  const elsewhere = await newInstallation();
  const identity_key = `installation:${installationId}`;
  const integrationId = await rows.integration({ ...owner, githubAppId, installationId: elsewhere }, { identity_key });
  expect(await bind(owner, installationId)).toEqual({ outcome: 'identity_taken', integrationId });
});

test('gives an integration of the operator’s App its account, and revives it', async () => {
  const owner = await rows.org();
  const [installationId, elsewhere] = [await newInstallation(), await newInstallation()];
  const integrationId = await rows.integration(
    { ...owner, githubAppId, installationId: elsewhere },
    { status: 'registered', display_name: 'to be replaced' },
  );
  const joins = { integrationId, isOperatorApp: true };
  expect(await bind(owner, installationId, { joins })).toEqual({ outcome: 'bound', integrationId, rebound: 0 });
  expect(await allIntegrations(database.reader).find(integrationId)).toMatchObject({
    status: 'active',
    displayName: 'GitHub: octo',
  });
});
