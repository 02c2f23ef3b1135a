import { MockActivityEnvironment } from '@temporalio/testing';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { cloudAccountActivities } from '../../../activities/clouds/cloud-accounts.ts';
import { withFailures } from '../../../activities/failures.ts';
import { cloudAccountView } from '../../../api/clouds/account-view.ts';
import { issuerSubject } from '../../../broker/clouds/oidc-issuer.ts';
import { requestCloudCheck } from '../../../db/clouds/cloud-account-checks.ts';
import { allCloudAccounts, keepCloudSecret } from '../../../db/clouds/cloud-accounts.ts';
import { deleteCloudAccount } from '../../../db/deletion/cloud-account-deletion.ts';
import { allIncidents } from '../../../db/ops/incidents.ts';
import { allOperations } from '../../../db/ops/operations.ts';
import { commandsIn } from '../../../db/store/commands.ts';
import { cloudAdvice } from '../../../domain/clouds/cloud-advice.ts';
import { verifyCloudWorkflowId } from '../../../domain/ops/workflow-ids.ts';
import { type AwsStandIn, startAws } from '../../../stand-ins/aws/stand-in.ts';
import { type AzureStandIn, startAzure } from '../../../stand-ins/azure/stand-in.ts';
import { insertApp } from '../../../stand-ins/azure/state.ts';
import { type GoogleStandIn, startGoogle } from '../../../stand-ins/google/stand-in.ts';
import { publicUrl } from '../../support/api.ts';
import { openTestDatabase, type TestDatabase } from '../../support/database.ts';
import { keyring } from '../../support/hooks.ts';
import { loopbackCertificate } from '../../support/programs/cloud-tls.ts';
import { rsaKeyObjects } from '../../support/rsa-keys.ts';
import { type CloudScene, cloudScene } from '../../support/scenes/cloud-scene.ts';
import { seed } from '../../support/scenes/seed.ts';

const accountId = '123456789012';
const roleArn = `arn:aws:iam::${accountId}:role/fairlead`;
const provider = 'projects/123456/locations/global/workloadIdentityPools/fairlead/providers/fairlead';
const email = 'fairlead@acme-images.iam.gserviceaccount.com';
const tenantId = '11111111-2222-4333-8444-555555555555';
const clientId = '99999999-8888-4777-8666-555555555555';
const rsa = rsaKeyObjects();
const pem = rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

let database: TestDatabase;
let standIns: { aws: AwsStandIn; google: GoogleStandIn; azure: AzureStandIn };
let scene: CloudScene;
let where: { orgId: string; projectId: string };

beforeAll(async () => {
  const certificate = loopbackCertificate;
  const [aws, google, azure] = await Promise.all([
    startAws(),
    startGoogle({ certificate }),
    startAzure({ certificate }),
  ]);
  standIns = { aws, google, azure };
});
afterAll(async () => {
  await Promise.all([standIns.aws.stop(), standIns.google.close(), standIns.azure.close()]);
  await database?.drop();
});
beforeEach(async () => {
  await database?.drop();
  database = await openTestDatabase();
  for (const { faults, ledger } of [standIns.google, standIns.azure]) {
    faults.clear();
    ledger.length = 0;
  }
  standIns.aws.state.roles.clear();
  standIns.aws.ledger.length = 0;
  scene = await cloudScene(database, standIns);
  where = await seed(database).org();
});

const account = async (id: string) => {
  const found = await allCloudAccounts(database.reader).find(id);
  if (!found) throw new Error('The account is not there');
  return found;
};

/** Runs the activity as the worker does after a request, the given time after it was first scheduled. */
async function askCloud(cloudAccountId: string, { afterMs = 0, cloudAccounts = scene.cloudAccounts } = {}) {
  const workflowId = verifyCloudWorkflowId(cloudAccountId);
  await database.write((trx) =>
    commandsIn(trx).add({ action: 'start', workflow: 'verifyCloudAccount', workflowId, input: { cloudAccountId } }),
  );
  const activities = withFailures(cloudAccountActivities({ database, keyring, cloudAccounts }));
  const environment = new MockActivityEnvironment({ scheduledTimestampMs: Date.now() - afterMs });
  return environment.run(activities.askCloud, { cloudAccountId }) as Promise<boolean>;
}

const settled = { afterMs: 61_000 };
const trusts = (externalId: string | undefined) =>
  standIns.aws.role({ arn: roleArn, trusts: [scene.platform.arn], externalId });
const role = (externalId = 'ours-and-nobody-elses') => ({
  kind: 'aws' as const,
  authMode: 'assume_role',
  config: { role_arn: roleArn, account_id: accountId, external_id: externalId },
});
const ourIssuer = { iss: publicUrl, aud: 'sts.amazonaws.com' };
const byIssuerAtAws = {
  kind: 'aws' as const,
  authMode: 'web_identity',
  config: { role_arn: roleArn, account_id: accountId },
};
const federatedAtGoogle = { kind: 'gcp' as const, authMode: 'workload_identity', config: { provider } };
const federatedAtAzure = {
  kind: 'azure' as const,
  authMode: 'federated',
  config: { tenant_id: tenantId, client_id: clientId, cloud: 'public' },
};
const secretAtAzure = { ...federatedAtAzure, authMode: 'client_secret', secret: `8Q~ $'"(:\\nsecret` };

/** Requests a check with an operation. */
async function requested(id: string) {
  const operation = await database.write(async (trx) => requestCloudCheck(trx, await account(id)));
  const activities = cloudAccountActivities({ database, keyring, cloudAccounts: scene.cloudAccounts });
  expect(await activities.beginCloudCheck({ cloudAccountId: id })).toBe(true);
  return async () => allOperations(database.reader).find(operation.id);
}

test('does not call the cloud when no check was requested', async () => {
  trusts('ours-and-nobody-elses');
  const id = await scene.add(where, role());
  const before = await account(id);
  const activities = cloudAccountActivities({ database, keyring, cloudAccounts: scene.cloudAccounts });
  expect(await new MockActivityEnvironment().run(activities.askCloud, { cloudAccountId: id })).toBe(false);
  await activities.giveUpCloudCheck({ cloudAccountId: id, failure: { code: 'timeout', detail: 'By hand' } });
  expect(await account(id)).toEqual(before);
  expect(standIns.aws.ledger.filter(({ fields }) => fields['RoleSessionName'] === id)).toEqual([]);

  await askCloud(id);
  expect((await account(id)).status).toBe('active');
  expect(standIns.aws.ledger.some(({ fields }) => fields['RoleSessionName'] === id)).toBe(true);
});

describe('an account is active after a successful check', () => {
  test('with a role and Fairlead’s external ID', async () => {
    trusts('ours-and-nobody-elses');
    const id = await scene.add(where, role());
    const operation = await requested(id);
    expect(await askCloud(id)).toBe(true);
    expect(await account(id)).toMatchObject({ status: 'active', statusReason: null, checkedAt: expect.any(Number) });
    expect(await operation()).toMatchObject({ status: 'succeeded' });
    const session = standIns.aws.ledger.find(({ action }) => action === 'AssumeRole');
    expect(session?.fields['RoleSessionName']).toBe(id);
  });

  test('with Fairlead’s issuer at AWS', async () => {
    const id = await scene.add(where, byIssuerAtAws);
    const sub = issuerSubject(where.orgId, id);
    standIns.aws.role({ arn: roleArn, federated: { ...ourIssuer, sub } });
    expect(await askCloud(id)).toBe(true);
    expect((await account(id)).status).toBe('active');
    const [claims, others] = scene.tokens.map((token) => decodeJwt(token));
    expect(claims).toMatchObject({ sub, aud: 'sts.amazonaws.com' });
    expect(claims).not.toHaveProperty('integration_id');
    // The subject of an unknown account of the same organization.
    expect(others?.sub).toMatch(`org:${where.orgId}:cloud-account:ca_`);
    expect(others?.sub).not.toBe(sub);
  });

  test('with an access key at AWS', async () => {
    const user = standIns.aws.user({ accountId });
    const config = { access_key_id: user.accessKeyId, account_id: accountId };
    const id = await scene.add(where, { kind: 'aws', authMode: 'access_key', config, secret: user.secretAccessKey });
    expect(await askCloud(id)).toBe(true);
    expect((await account(id)).status).toBe('active');
  });

  test('with Fairlead’s issuer at Google, which accepts one subject', async () => {
    const id = await scene.add(where, federatedAtGoogle);
    const lets = ({ sub }: Record<string, unknown>) => sub === issuerSubject(where.orgId, id);
    standIns.google.state.providers.set(provider, { issuer: publicUrl, publicKey: scene.publicKey, lets });
    expect(await askCloud(id)).toBe(true);
    expect((await account(id)).status).toBe('active');
    const other = await scene.add(where, federatedAtGoogle);
    await askCloud(other, settled);
    expect(await account(other)).toMatchObject({ status: 'action_required', statusReason: 'federation_refused' });
  });

  test('with a key at Google', async () => {
    standIns.google.state.serviceAccounts.set(email, { keys: [rsa.publicKey], impersonators: [] });
    const config = { client_email: email, project_id: 'acme-images' };
    const id = await scene.add(where, { kind: 'gcp', authMode: 'service_account_key', config, secret: pem });
    expect(await askCloud(id)).toBe(true);
    expect((await account(id)).status).toBe('active');
  });

  test('with Fairlead’s issuer and with a secret at Azure', async () => {
    const id = await scene.add(where, federatedAtAzure);
    const subject = issuerSubject(where.orgId, id);
    insertApp(standIns.azure.state, tenantId, clientId, {
      secrets: [{ value: secretAtAzure.secret, endsAt: Date.now() + 60_000 }],
      federated: [{ issuer: publicUrl, subject, audience: 'api://AzureADTokenExchange', publicKey: scene.publicKey }],
    });
    expect(await askCloud(id)).toBe(true);
    expect((await account(id)).status).toBe('active');
    const keyed = await scene.add(where, secretAtAzure);
    expect(await askCloud(keyed)).toBe(true);
    expect((await account(keyed)).status).toBe('active');
  });
});

describe('a refusal', () => {
  test('is retried for a minute because the setup may be new, and changes nothing until then', async () => {
    trusts('somebody-elses');
    const id = await scene.add(where, role());
    const operation = await requested(id);
    const early = { type: 'assume_role_refused', nonRetryable: false, nextRetryDelay: 5_000 };
    await expect(askCloud(id, { afterMs: 55_000 })).rejects.toMatchObject(early);
    expect(await account(id)).toMatchObject({ status: 'pending', statusReason: null });
    expect((await operation())?.status).toBe('running');

    expect(await askCloud(id, settled)).toBe(true);
    expect(await account(id)).toMatchObject({ status: 'action_required', statusReason: 'assume_role_refused' });
    const error = { errorCode: 'assume_role_refused', errorDetail: expect.stringContaining('external id') };
    expect(await operation()).toMatchObject({ status: 'failed', ...error });

    trusts('ours-and-nobody-elses');
    expect(await askCloud(id)).toBe(true);
    expect(await account(id)).toMatchObject({ status: 'active', statusReason: null });
    const told = await database.reader('audit_events').where({ target: id }).orderBy('id');
    expect(told.map(({ action, detail }) => [action, JSON.parse(detail).status])).toEqual([
      ['cloud_account.verified', 'action_required'],
      ['cloud_account.verified', 'active'],
    ]);
  });

  test('of an account that worked is an incident with its action, until the cloud accepts it or it is deleted', async () => {
    const open = async () =>
      (await allIncidents(database.reader).list({ limit: 10 }, { status: 'open' })).items.map((one) => [
        one.code,
        one.subjectId,
        one.action,
      ]);
    trusts('ours-and-nobody-elses');
    const id = await scene.add(where, role());
    await askCloud(id);
    trusts('somebody-elses');
    await askCloud(id, settled);
    const raised = [['cloud_account_refused', id, cloudAdvice('assume_role_refused')]];
    expect(await open()).toEqual(raised);
    await askCloud(id, settled);
    expect(await open()).toEqual(raised);
    trusts('ours-and-nobody-elses');
    await askCloud(id);
    expect(await open()).toEqual([]);

    trusts('somebody-elses');
    await askCloud(id, settled);
    expect(await open()).toEqual(raised);
    const gone = await account(id);
    await database.write((trx) => deleteCloudAccount(trx, gone, async () => undefined));
    expect(await open()).toEqual([]);
  });

  test('while an account is being set up raises no incident', async () => {
    trusts('somebody-elses');
    const id = await scene.add(where, role());
    await askCloud(id, settled);
    expect((await account(id)).status).toBe('action_required');
    expect((await allIncidents(database.reader).list({ limit: 10 })).items).toEqual([]);
  });

  test('is caused by a role that accepts any external ID', async () => {
    trusts(undefined);
    const id = await scene.add(where, role());
    await askCloud(id, settled);
    expect(await account(id)).toMatchObject({ status: 'action_required', statusReason: 'external_id_not_required' });
  });

  test('is caused by a role that accepts any token of this issuer', async () => {
    standIns.aws.role({ arn: roleArn, federated: ourIssuer });
    const id = await scene.add(where, byIssuerAtAws);
    await expect(askCloud(id)).rejects.toMatchObject({ type: 'subject_not_required', nonRetryable: false });
    await askCloud(id, settled);
    expect(await account(id)).toMatchObject({ status: 'action_required', statusReason: 'subject_not_required' });
  });

  test('is caused by a service account that the whole pool can impersonate', async () => {
    const id = await scene.add(where, { ...federatedAtGoogle, config: { provider, service_account: email } });
    standIns.google.state.providers.set(provider, { issuer: publicUrl, publicKey: scene.publicKey });
    standIns.google.state.serviceAccounts.set(email, { keys: [], impersonators: [`principalSet://${provider}/*`] });
    await askCloud(id, settled);
    expect(await account(id)).toMatchObject({ status: 'action_required', statusReason: 'subject_not_required' });

    const mine = [`principal://${provider}/${issuerSubject(where.orgId, id)}`];
    standIns.google.state.serviceAccounts.set(email, { keys: [], impersonators: mine });
    expect(await askCloud(id)).toBe(true);
    expect((await account(id)).status).toBe('active');
  });

  const refused: [string, object & Parameters<CloudScene['add']>[1], string][] = [
    ['a wrong secret', { ...secretAtAzure, secret: 'another secret' }, 'client_secret_rejected'],
    ['no secret', { ...federatedAtAzure, authMode: 'client_secret' }, 'credentials_missing'],
    [
      'an app that the tenant does not have',
      { ...secretAtAzure, config: { ...secretAtAzure.config, client_id: tenantId } },
      'app_not_found',
    ],
    ['a missing provider', { ...federatedAtGoogle, config: { provider: `${provider}-2` } }, 'federation_refused'],
    [
      'an account of Google’s that has another key',
      {
        kind: 'gcp',
        authMode: 'service_account_key',
        config: { client_email: `other-${email}`, project_id: 'acme-images' },
        secret: pem,
      },
      'key_rejected',
    ],
  ];
  test.each(refused)('is caused by %s', async (_, what, code) => {
    insertApp(standIns.azure.state, tenantId, clientId, {
      secrets: [{ value: secretAtAzure.secret, endsAt: Date.now() + 60_000 }],
    });
    const id = await scene.add(where, what);
    expect(await askCloud(id, settled)).toBe(true);
    expect(await account(id)).toMatchObject({ status: 'action_required', statusReason: code });
  });

  test('is caused by a key of another account than the configured one', async () => {
    const user = standIns.aws.user({ accountId: '210987654321' });
    const config = { access_key_id: user.accessKeyId, account_id: accountId };
    const id = await scene.add(where, { kind: 'aws', authMode: 'access_key', config, secret: user.secretAccessKey });
    await askCloud(id);
    expect(await account(id)).toMatchObject({ status: 'action_required', statusReason: 'account_mismatch' });
  });

  test('is returned before any request if the public URL is not public', async () => {
    const local = await cloudScene(database, standIns, 'http://localhost:8080');
    const id = await scene.add(where, federatedAtGoogle);
    await askCloud(id, { cloudAccounts: local.cloudAccounts });
    expect(await account(id)).toMatchObject({ status: 'action_required', statusReason: 'issuer_not_public' });
    expect(standIns.google.ledger).toEqual([]);
  });
});

describe('an outage', () => {
  const outages: [string, object, string][] = [
    ['a server error', { kind: 'status', status: 503 }, 'unavailable'],
    ['a rate limit', { kind: 'status', status: 429 }, 'rate_limited'],
    ['a timeout', { kind: 'hang' }, 'timeout'],
    ['a broken connection', { kind: 'reset' }, 'network'],
  ];
  test.each(outages)('with %s changes nothing, and is retried', async (_, fault, type) => {
    const id = await scene.add(where, secretAtAzure);
    await database.write(async (trx) => allCloudAccounts(trx).moveStatus(await account(id), 'active'));
    const before = await account(id);
    const operation = await requested(id);
    standIns.azure.faults.add({ method: 'POST', path: /oauth2\/v2.0\/token/, ...fault } as never);
    await expect(askCloud(id, settled)).rejects.toMatchObject({ type, nonRetryable: false });
    expect(await account(id)).toEqual(before);
    const activities = cloudAccountActivities({ database, keyring, cloudAccounts: scene.cloudAccounts });
    const failure = { code: type, detail: 'Nobody answered' };
    await activities.giveUpCloudCheck({ cloudAccountId: id, failure });
    expect(await account(id)).toEqual(before);
    expect(await operation()).toMatchObject({ status: 'failed', errorCode: type });
  });

  test('that outlasts a check leaves the account pending and shows the reason', async () => {
    const id = await scene.add(where, secretAtAzure);
    const activities = cloudAccountActivities({ database, keyring, cloudAccounts: scene.cloudAccounts });
    await requested(id);
    const failure = { code: 'timeout', detail: 'Nobody answered' };
    await activities.giveUpCloudCheck({ cloudAccountId: id, failure });
    expect(await account(id)).toMatchObject({ status: 'pending', statusReason: 'timeout', checkedAt: null });
    expect(cloudAccountView(await account(id)).next_action).toMatch(/did not answer.*Verify the account again/);

    insertApp(standIns.azure.state, tenantId, clientId, {
      secrets: [{ value: secretAtAzure.secret, endsAt: Date.now() + 60_000 }],
    });
    expect(await askCloud(id)).toBe(true);
    expect(await account(id)).toMatchObject({ status: 'active', statusReason: null });
  });
});

describe('changes during a check', () => {
  test('keep the result of the old access from being applied to the new one', async () => {
    const id = await scene.add(where, { ...secretAtAzure, secret: 'an old secret' });
    const operation = await requested(id);
    const cloudAccounts = {
      async prove(...given: Parameters<CloudScene['cloudAccounts']['prove']>) {
        await database.write(async (trx) => {
          await keepCloudSecret(trx, keyring, given[0], 'a new secret');
          await allCloudAccounts(trx).update(id, 1, {}, true);
        });
        return scene.cloudAccounts.prove(...given);
      },
    };
    expect(await askCloud(id, { ...settled, cloudAccounts: cloudAccounts as CloudScene['cloudAccounts'] })).toBe(false);
    expect(await account(id)).toMatchObject({ status: 'pending', epoch: 1 });
    expect((await operation())?.status).toBe('running');
  });

  test('such as a deletion end the check', async () => {
    const id = await scene.add(where, secretAtAzure);
    const operation = await requested(id);
    await database.write((trx) => allCloudAccounts(trx).remove(id));
    expect(await askCloud(id)).toBe(false);
    const activities = cloudAccountActivities({ database, keyring, cloudAccounts: scene.cloudAccounts });
    expect(await activities.beginCloudCheck({ cloudAccountId: id })).toBe(false);
    expect(await operation()).toMatchObject({ status: 'failed', errorCode: 'cloud_account_deleted' });
  });
});
