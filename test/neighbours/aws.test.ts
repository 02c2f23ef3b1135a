import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ecrPermissionsPolicy, trustPolicyFor } from '../../domain/clouds/aws-policies.ts';
import { createAws } from '../../providers/clouds/aws/aws.ts';
import { machineIdentity } from '../../providers/clouds/aws/aws-machine.ts';
import type { AwsAccess } from '../../providers/clouds/aws/aws-sessions.ts';
import { type AwsUser, motoAccount as accountId, type Moto, startMoto } from '../support/programs/moto.ts';

const host = `${accountId}.dkr.ecr.eu-west-1.amazonaws.com`;
const externalId = 'fl-0d0b3a4e5c';
const roleArn = `arn:aws:iam::${accountId}:role/fairlead`;

/** Runs without permissions, before moto begins to check them. Every call counts. */
const arrangements = 10;

let moto: Moto;
let platform: AwsUser;
let puller: AwsUser;
let nobody: AwsUser;

beforeAll(async () => {
  moto = await startMoto(arrangements);
  const trust = trustPolicyFor({ principalArn: `arn:aws:iam::${accountId}:user/platform`, externalId });
  const permissions = ecrPermissionsPolicy({ partition: 'aws', region: 'eu-west-1', accountId }, ['pull']);
  const mayAssume = { Effect: 'Allow', Action: 'sts:AssumeRole', Resource: roleArn };
  platform = await moto.user('platform', JSON.stringify({ Version: '2012-10-17', Statement: [mayAssume] }));
  puller = await moto.user('puller', permissions);
  nobody = await moto.user('nobody');
  await moto.role('fairlead', { trust, permissions });
});

afterAll(async () => {
  await moto?.end();
});

describe('a role of moto with enforced permissions', () => {
  test('is assumed with the external id of its trust policy', async () => {
    const identity = await aws().identity(role({}));

    expect(identity).toEqual({ accountId, arn: expect.stringMatching(/assumed-role\/fairlead\/int_1$/) });
  });

  test('creates a credential for the registry', async () => {
    const credential = await aws().ecrCredential({ access: role({}), host, actions: ['pull'] });

    expect(credential).toMatchObject({ host, username: 'AWS', password: `${accountId}-auth-token` });
    // moto's own answer, although its sessions live. The stand-in's tests show what AWS does.
    expect(credential.expiresAt).toBe(Date.UTC(2015, 0, 1));
  });

  test('is denied with another external id', async () => {
    const refusal = aws().identity(role({ externalId: 'fl-another' }));

    await expect(refusal).rejects.toMatchObject({ code: 'assume_role_refused', status: 403, settling: true });
  });

  test('is denied to a principal that its trust policy does not name', async () => {
    const refusal = createAws({ endpoints: everything(), ambient: async () => puller }).identity(role({}));

    await expect(refusal).rejects.toMatchObject({ code: 'assume_role_refused' });
  });

  test('is denied in our own words if Fairlead’s keys are wrong', async () => {
    const wrong = { ...platform, secretAccessKey: 'not-it' };
    const refusal = createAws({ endpoints: everything(), ambient: async () => wrong }).identity(role({}));

    await expect(refusal).rejects.toMatchObject({ code: 'platform_identity_refused', settling: false });
  });

  test('is assumed with the machine’s identity', async () => {
    const before = { ...process.env };
    process.env['AWS_ACCESS_KEY_ID'] = platform.accessKeyId;
    process.env['AWS_SECRET_ACCESS_KEY'] = platform.secretAccessKey;
    try {
      const identity = await createAws({ endpoints: everything(), ambient: machineIdentity() }).identity(role({}));
      expect(identity.accountId).toBe(accountId);
    } finally {
      process.env = before;
    }
  });
});

describe('an access key of moto with enforced permissions', () => {
  test('has its identity, and gets a credential that is not narrowed', async () => {
    expect(await aws().identity(key(puller))).toEqual({ accountId, arn: `arn:aws:iam::${accountId}:user/puller` });
    const credential = await aws().ecrCredential({
      access: key(puller),
      host,
      repositories: ['acme/web'],
      actions: ['pull'],
    });
    expect(credential.effective).toMatchObject({ repositories: '*', narrowedTo: 'identity' });
  });

  test('is rejected with another secret', async () => {
    const refusal = aws().identity(key({ ...puller, secretAccessKey: 'not-it' }));

    await expect(refusal).rejects.toMatchObject({ code: 'signature_mismatch', status: 403, settling: true });
  });

  test('is rejected if it does not exist', async () => {
    const refusal = aws().identity(key({ ...puller, accessKeyId: 'AKIAUNKNOWNUNKNOWN00' }));

    await expect(refusal).rejects.toMatchObject({ code: 'invalid_key', status: 403 });
  });

  test('is rejected for another account', async () => {
    const access = { ...key(puller), accountId: '210987654321' };

    await expect(aws().identity(access)).rejects.toMatchObject({ code: 'account_mismatch' });
    await expect(aws().ecrCredential({ access, host, actions: ['pull'] })).rejects.toMatchObject({
      code: 'account_mismatch',
    });
  });

  // moto returns XML here, but the client reads JSON.
  test('gets no credential without the permission', async () => {
    const refusal = aws().ecrCredential({ access: key(nobody), host, actions: ['pull'] });

    await expect(refusal).rejects.toMatchObject({ code: 'access_denied', status: 403 });
  });

  test('gets no credential with another secret', async () => {
    const access = key({ ...puller, secretAccessKey: 'not-it' });

    await expect(aws().ecrCredential({ access, host, actions: ['pull'] })).rejects.toMatchObject({
      code: 'access_denied',
      status: 403,
    });
  });
});

function aws() {
  return createAws({ endpoints: everything(), ambient: async () => platform });
}

function everything() {
  const { url } = moto;
  return { sts: url, ecr: url, ecrPublic: url };
}

function role(change: Partial<Extract<AwsAccess, { mode: 'assume_role' }>>): AwsAccess {
  return { mode: 'assume_role', roleArn, externalId, accountId, sessionName: 'int_1', ...change };
}

function key(keys: AwsUser): AwsAccess {
  return { mode: 'access_key', accountId, ...keys };
}
