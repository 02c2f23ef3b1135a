import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Account, type CloudFlow, startCloudFlow, type Tenant } from '../support/scenes/cloud-flow.ts';
import { type Way, waysInto } from '../support/scenes/cloud-ways.ts';

const names = {
  AWS: 'a role at AWS, by our own identity',
  Google: 'a pool at Google, for a service account',
  Azure: 'an app at Azure, by a secret',
} as const;
type Cloud = keyof typeof names;
const all = Object.keys(names) as Cloud[];

let flow: CloudFlow;
let ways: ReturnType<typeof waysInto>;

beforeAll(async () => {
  flow = await startCloudFlow();
  ways = waysInto(flow.clouds, await flow.issuerKey());
});
afterAll(() => flow?.stop());
afterEach(() => flow.clouds.heal());

const soon = { timeout: 15_000 };

/** Creates an account that its cloud accepts. */
async function trusted(tenant: Tenant, cloud: Cloud): Promise<{ account: Account; way: Way }> {
  const way = ways[names[cloud]]?.();
  if (!way) throw new Error(`There is no way into ${cloud}`);
  const account = await tenant.create(way.body);
  way.trust(account);
  return { account, way };
}

/** Makes the next sign-in calls to the cloud fail. */
function fail(cloud: Cloud, how: 'unavailable' | 'lost_answer' | 'hang', times?: number): void {
  const { aws, google, azure } = flow.clouds;
  const often = times === undefined ? {} : { times };
  if (cloud === 'AWS') {
    const kind = { unavailable: 'refuse', lost_answer: 'reset', hang: 'hang' } as const;
    const refusal = how === 'unavailable' ? { status: 503, code: 'ServiceUnavailable' } : {};
    aws.fail({ action: 'AssumeRole', kind: kind[how], ...refusal, ...often });
    return;
  }
  const [path, { faults }] = cloud === 'Google' ? [/^\/v1\/token$/, google] : [/oauth2\/v2\.0\/token$/, azure];
  const fault = how === 'unavailable' ? ({ kind: 'status', status: 503 } as const) : { kind: how };
  faults.add({ method: 'POST', path, ...fault, ...often });
}

/** Returns how many sign-in calls the cloud has received. */
function asked(cloud: Cloud): number {
  const { aws, google, azure } = flow.clouds;
  if (cloud === 'AWS') return aws.ledger.filter(({ action }) => action === 'AssumeRole').length;
  const [path, { ledger }] = cloud === 'Google' ? [/^\/v1\/token$/, google] : [/oauth2\/v2\.0\/token$/, azure];
  return ledger.filter((one) => path.test(one.path)).length;
}

async function workflowStatus({ id }: { id: string }): Promise<string> {
  return (await flow.workflows.getHandle(`verify-cloud/${id}`).describe()).status.name;
}

describe('a verification', () => {
  test.each(all)('retries when %s fails, and when its response is lost', async (cloud) => {
    const tenant = await flow.tenant();
    const { account } = await trusted(tenant, cloud);
    const before = asked(cloud);
    fail(cloud, 'unavailable', 1);
    fail(cloud, 'lost_answer', 1);
    expect(await tenant.verify(account)).toMatchObject({ status: 'succeeded', error: null });
    expect(await tenant.read(account)).toMatchObject({ status: 'active', status_reason: null });
    expect(asked(cloud) - before).toBeGreaterThanOrEqual(3);
    await expect.poll(() => workflowStatus(account), soon).toBe('COMPLETED');
    expect(await tenant.audit(account)).toEqual(['created', 'verification_requested', 'verified active']);
  });

  test('that hangs does not delay other verifications, and leaves an active account active', async () => {
    const tenant = await flow.tenant();
    const [ofGoogle, ofAzure] = [await trusted(tenant, 'Google'), await trusted(tenant, 'Azure')];
    await tenant.verify(ofGoogle.account);
    expect(await tenant.read(ofGoogle.account)).toMatchObject({ status: 'active' });

    const before = { Google: asked('Google'), Azure: asked('Azure') };
    fail('Google', 'hang');
    fail('Azure', 'hang');
    const operations = [await tenant.request(ofGoogle.account), await tenant.request(ofAzure.account)];
    await expect.poll(() => asked('Google'), soon).toBeGreaterThan(before.Google);
    await expect.poll(() => asked('Azure'), soon).toBeGreaterThan(before.Azure);
    const ofAws = await trusted(tenant, 'AWS');
    expect(await tenant.verify(ofAws.account)).toMatchObject({ status: 'succeeded' });
    for (const operation of operations) expect(await tenant.operation(operation)).toMatchObject({ status: 'running' });
    expect(await tenant.read(ofGoogle.account)).toMatchObject({ status: 'active', status_reason: null });
    expect(await tenant.read(ofAzure.account)).toMatchObject({ status: 'pending', status_reason: null });

    flow.clouds.heal();
    for (const operation of operations) {
      await expect.poll(() => tenant.operation(operation), soon).toMatchObject({ status: 'succeeded' });
    }
    expect(await tenant.read(ofAzure.account)).toMatchObject({ status: 'active' });
  });

  test('ignores the result for credentials that were replaced during the call, and checks the new ones', async () => {
    const tenant = await flow.tenant();
    const { account, way } = await trusted(tenant, 'Azure');
    const before = asked('Azure');
    // The cloud accepts the old credentials, but only after they were replaced.
    flow.clouds.azure.faults.add({ path: /oauth2\/v2\.0\/token$/, kind: 'slow', delayMs: 1_500, times: 1 });
    const operation = await tenant.request(account);
    await expect.poll(() => asked('Azure'), soon).toBeGreaterThan(before);
    await tenant.change(account, way.wrong);
    await expect
      .poll(() => tenant.read(account), soon)
      .toMatchObject({
        status: 'action_required',
        status_reason: way.code,
      });
    expect((await tenant.operation(operation)).status).toBe('failed');
    await expect.poll(() => workflowStatus(account), soon).toBe('COMPLETED');
    expect(await tenant.audit(account)).toEqual([
      'created',
      'verification_requested',
      'updated',
      `verified action_required ${way.code}`,
    ]);
  });

  test('fails with a reason when the account is deleted during the call', async () => {
    const tenant = await flow.tenant();
    const { account } = await trusted(tenant, 'Azure');
    const before = asked('Azure');
    fail('Azure', 'hang', 1);
    const operation = await tenant.request(account);
    await expect.poll(() => asked('Azure'), soon).toBeGreaterThan(before);
    expect((await tenant.remove(account)).status).toBe(204);
    await expect
      .poll(() => tenant.operation(operation), soon)
      .toMatchObject({
        status: 'failed',
        error: { code: 'cloud_account_deleted' },
      });
    await expect.poll(() => workflowStatus(account), soon).toBe('COMPLETED');
    expect(await tenant.audit(account)).toEqual(['created', 'verification_requested', 'deleted']);
  });
});

test.each(all)('an exchange returns 502 during an outage of %s, and changes no status', async (cloud) => {
  const tenant = await flow.tenant();
  const { account, way } = await trusted(tenant, cloud);
  await tenant.verify(account);
  const integration = await tenant.connect(way.registry, account, [way.repository]);
  expect(integration).toMatchObject({ status: 'active' });
  fail(cloud, 'hang');
  expect(await tenant.exchange({ integration_id: integration.id })).toMatchObject({
    status: 502,
    body: { code: 'provider_unavailable', provider_code: 'timeout' },
  });
  expect(await tenant.read(account)).toMatchObject({ status: 'active' });
  expect(await tenant.integration(integration)).toMatchObject({ status: 'active' });
  flow.clouds.heal();
  expect((await tenant.exchange({ integration_id: integration.id })).status).toBe(200);
});

test('an exchange returns 422 with the reason when the cloud no longer trusts Fairlead', async () => {
  const tenant = await flow.tenant();
  const { account, way } = await trusted(tenant, 'AWS');
  await tenant.verify(account);
  const integration = await tenant.connect('ecr', account, [way.repository]);
  flow.clouds.aws.state.roles.clear();
  expect(await tenant.exchange({ integration_id: integration.id })).toMatchObject({
    status: 422,
    body: { code: 'credential_rejected', provider_code: 'assume_role_refused' },
  });
  expect(await flow.database.reader('leases').where({ integration_id: integration.id })).toEqual([]);
});

test('deleting a project deletes its accounts, their secrets and the integrations that inherit them', async () => {
  const tenant = await flow.tenant();
  const { account, way } = await trusted(tenant, 'Azure');
  await tenant.verify(account);
  const integration = await tenant.connect(way.registry, account, [way.repository]);
  expect((await tenant.exchange({ integration_id: integration.id })).status).toBe(200);
  const deleted = await tenant.client.send('DELETE', `/v1/projects/${tenant.projectId}`, undefined, {
    prefer: 'wait=20',
  });
  expect(deleted).toMatchObject({ status: 200, body: { operation: { status: 'succeeded' } } });
  expect((await tenant.exchange({ integration_id: integration.id })).status).toBe(404);
  expect((await tenant.client.send('GET', `/v1/cloud-accounts/${account.id}`)).status).toBe(404);
  const { reader } = flow.database;
  expect(await reader('cloud_accounts').where({ id: account.id }).first()).toMatchObject({ status: 'deleted' });
  expect(await reader('integrations').where({ id: integration.id }).first()).toMatchObject({ status: 'deleted' });
  const kept = await reader('credential_versions')
    .join('credentials', 'credentials.id', 'credential_versions.credential_id')
    .where({ cloud_account_id: account.id })
    .select('credential_versions.status', 'sealed');
  expect(kept).toEqual([{ status: 'purged', sealed: null }]);
  expect(await tenant.audit(account)).toContain('deleted');
});
