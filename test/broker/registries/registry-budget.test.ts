import { afterAll, beforeAll, expect, test } from 'vitest';
import { Overasked } from '../../../broker/provider-failure.ts';
import { keepCloudSecret } from '../../../db/clouds/cloud-accounts.ts';
import { findIssuer } from '../../../db/exchange/issuers.ts';
import { type AwsStandIn, startAws } from '../../../stand-ins/aws/stand-in.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { unreachableClouds } from '../../support/fakes/clouds.ts';
import { keyring } from '../../support/hooks.ts';
import { type RegistryProject, type RegistryScene, registryScene } from '../../support/scenes/registry-scene.ts';

const accountId = '444455556666';
const host = `${accountId}.dkr.ecr.eu-west-1.amazonaws.com`;
const roleArn = `arn:aws:iam::${accountId}:role/fairlead`;
const externalId = 'fl-7f1c';
const asRole = {
  kind: 'aws' as const,
  authMode: 'assume_role' as const,
  config: { role_arn: roleArn, account_id: accountId, external_id: externalId },
};

let database: TestDatabase;
let aws: AwsStandIn;
let scene: RegistryScene;

beforeAll(async () => {
  [database, aws] = await Promise.all([openTestDatabase(), startAws()]);
  const platform = aws.user();
  const elsewhere = { ...unreachableClouds, aws: { endpoints: aws.endpoints, ambient: async () => platform } };
  scene = registryScene(database, { clouds: { allowedHosts: [], elsewhere } });
  aws.role({ arn: roleArn, trusts: [...aws.state.identities.values()].map(({ arn }) => arn), externalId });
});
afterAll(async () => {
  await Promise.all([aws?.stop(), database?.drop()]);
});

async function ask({ orgId, projectId, integrationId }: RegistryProject, repository: string) {
  const found = await findIssuer(database.reader, projectId, integrationId);
  if (!found?.cloud) throw new Error('The project has no such registry');
  const { id, epoch } = found.cloud;
  const wanted = { buildId: null, alone: false, repositories: [repository], purpose: 'pull' as const, bearer: false };
  return scene.imageCredentials.mint({ issuer: found.issuer, cloud: { id, epoch }, orgId, ...wanted });
}

const askForMany = (of: RegistryProject, most: number) =>
  Promise.allSettled(Array.from({ length: most }, (_, at) => ask(of, `acme/image-${at}`)));

test('gives each organization a share of what this instance’s own AWS identity mints', {
  timeout: 60_000,
}, async () => {
  const [greedy, other] = [await scene.project('ecr', host, asRole), await scene.project('ecr', host, asRole)];
  const answers = await askForMany(greedy, 80);
  const given = answers.filter(({ status }) => status === 'fulfilled');
  expect(given.length).toBeGreaterThanOrEqual(30);
  expect(aws.ledger.filter(({ action }) => action === 'AssumeRole')).toHaveLength(given.length);
  const refusals = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []));
  expect(refusals.length).toBeGreaterThan(0);
  for (const refusal of refusals) {
    expect(refusal).toBeInstanceOf(Overasked);
    expect(refusal).toMatchObject({ provider: 'aws', code: 'secondary_limited', retryAfterMs: expect.any(Number) });
  }
  await ask(other, 'acme/shop');
});

test('gives an organization the whole limit of its own access key', { timeout: 60_000 }, async () => {
  const { accessKeyId, secretAccessKey } = aws.user({ accountId, name: 'ci' });
  const config = { account_id: accountId, access_key_id: accessKeyId };
  const ours = await scene.project('ecr', host, { kind: 'aws', authMode: 'access_key', config });
  await database.write((trx) =>
    keepCloudSecret(trx, keyring, { id: ours.accountId, orgId: ours.orgId, authMode: 'access_key' }, secretAccessKey),
  );
  const answers = await askForMany(ours, 50);
  expect(answers.filter(({ status }) => status === 'rejected')).toEqual([]);
});
