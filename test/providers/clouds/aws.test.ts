import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createAws } from '../../../providers/clouds/aws/aws.ts';
import type { AwsAccess } from '../../../providers/clouds/aws/aws-sessions.ts';
import { type AwsStandIn, type Identity, type Role, startAws } from '../../../stand-ins/aws/stand-in.ts';

const accountId = '444455556666';
const host = `${accountId}.dkr.ecr.eu-west-1.amazonaws.com`;
const roleArn = `arn:aws:iam::${accountId}:role/ci/fairlead`;
const externalId = 'fl-7f1c';
const token = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYV8xIn0.c2lnbmF0dXJl';
const minute = 60_000;

let standIn: AwsStandIn;
let platform: Identity;
let role: Role;

beforeEach(async () => {
  standIn = await startAws();
  platform = standIn.user();
  role = standIn.role({ arn: roleArn, trusts: [platform.arn], externalId, tokens: [token] });
});

afterEach(() => standIn.stop());

describe('a credential for ECR', () => {
  test('comes from a session of the role that is narrowed to the repositories', async () => {
    const credential = await aws().ecrCredential({
      access: byRole(),
      host,
      repositories: ['acme/web', 'acme/api'],
      actions: ['pull'],
    });

    const [issued] = standIn.state.issued;
    expect(credential).toMatchObject({ host, username: 'AWS', password: issued?.password });
    // Split at the first colon only.
    expect(credential.password).toContain(':');
    expect(credential.effective).toEqual({
      repositories: ['acme/web', 'acme/api'],
      actions: ['pull'],
      narrowedTo: 'repository',
    });
    expect(issued?.arn).toBe(`arn:aws:sts::${accountId}:assumed-role/fairlead/int_1`);
    expect(JSON.parse(issued?.policy ?? '').Statement).toEqual([
      { Effect: 'Allow', Action: 'ecr:GetAuthorizationToken', Resource: '*' },
      {
        Effect: 'Allow',
        Action: [
          'ecr:BatchCheckLayerAvailability',
          'ecr:GetDownloadUrlForLayer',
          'ecr:BatchGetImage',
          'ecr:BatchImportUpstreamImage',
          'ecr:CreateRepository',
        ],
        Resource: [
          `arn:aws:ecr:eu-west-1:${accountId}:repository/acme/web`,
          `arn:aws:ecr:eu-west-1:${accountId}:repository/acme/api`,
        ],
      },
    ]);
    expect(standIn.ledger.map(({ action, scope }) => `${action} ${scope?.region} ${scope?.service}`)).toEqual([
      'AssumeRole eu-west-1 sts',
      'GetAuthorizationToken eu-west-1 ecr',
    ]);
  });

  test('says that pushing includes pulling', async () => {
    const { effective } = await aws().ecrCredential({
      access: byRole(),
      host,
      repositories: ['web'],
      actions: ['push'],
    });

    expect(effective.actions).toEqual(['pull', 'push']);
    expect(standIn.state.issued[0]?.policy).toContain('ecr:PutImage');
  });

  test('is for the registry of another account if its host names that account, and says what is not narrowed', async () => {
    const foreign = host.replace(accountId, '777788889999');
    const { effective } = await aws().ecrCredential({ access: byRole(), host: foreign, actions: ['pull'] });

    expect(effective).toEqual({ repositories: '*', actions: ['pull'], narrowedTo: 'account' });
    expect(standIn.state.issued[0]?.policy).toContain('"arn:aws:ecr:eu-west-1:777788889999:repository/*"');
  });

  test('expires with its session if the session ends first', async () => {
    const before = Date.now();
    const { expiresAt } = await aws().ecrCredential({
      access: byRole(),
      host,
      actions: ['pull'],
      minTtlMs: 20 * minute,
    });

    expect(standIn.ledger[0]?.fields['DurationSeconds']).toBe('1260');
    expect(expiresAt).toBeGreaterThanOrEqual(before + 20 * minute);
    expect(expiresAt).toBeLessThan(before + 22 * minute);
  });

  test('expires with its token if the token ends first', async () => {
    standIn.state.tokenSeconds = 300;
    const { expiresAt } = await aws().ecrCredential({ access: byRole(), host, actions: ['pull'] });

    expect(expiresAt).toBe(standIn.state.issued[0]?.expiresAt);
  });

  test.each([
    [undefined, '3600'],
    [minute, '900'],
    [59.5 * minute, '3600'],
    [120 * minute, '7260'],
    [720 * minute, '43200'],
  ])('for at least %s ms asks for a session of %s seconds', async (minTtlMs, seconds) => {
    standIn.role({ ...role, maxSeconds: 43_200 });
    await aws().ecrCredential({ access: byRole(), host, actions: ['pull'], ...(minTtlMs ? { minTtlMs } : {}) });

    expect(standIn.ledger[0]?.fields['DurationSeconds']).toBe(seconds);
  });

  test('is refused if the role does not allow such long sessions', async () => {
    const wish = { access: byRole(), host, actions: ['pull' as const] };

    await expect(aws().ecrCredential({ ...wish, minTtlMs: 90 * minute })).rejects.toMatchObject({
      code: 'session_too_long',
      status: 400,
    });
    await expect(aws().ecrCredential({ ...wish, minTtlMs: 721 * minute })).rejects.toMatchObject({
      code: 'session_too_long',
    });
  });

  test('covers the whole account, and says so, if the policy would be too long', async () => {
    const repositories = Array.from({ length: 40 }, (_, index) => `acme/service-${index}`);
    const { effective } = await aws().ecrCredential({ access: byRole(), host, repositories, actions: ['pull'] });

    expect(effective).toMatchObject({ repositories: '*', actions: ['pull'], narrowedTo: 'account' });
    expect(effective.note).toContain('so many repositories');
    expect(standIn.ledger).toHaveLength(2);
  });

  test('covers the whole account, and says so, if AWS finds the packed policy too large', async () => {
    standIn.state.packedPolicyLimit = 400;
    const { effective } = await aws().ecrCredential({
      access: byRole(),
      host,
      repositories: ['acme/web', 'acme/api', 'acme/worker'],
      actions: ['pull'],
    });

    expect(effective).toMatchObject({ repositories: '*', narrowedTo: 'account' });
    expect(standIn.ledger.map(({ action }) => action)).toEqual(['AssumeRole', 'AssumeRole', 'GetAuthorizationToken']);
  });

  test('is not created if AWS finds every policy too large', async () => {
    standIn.state.packedPolicyLimit = 10;
    const refusal = aws().ecrCredential({ access: byRole(), host, repositories: ['web'], actions: ['pull'] });

    await expect(refusal).rejects.toMatchObject({ code: 'policy_too_large' });
  });

  test.each([[[]], [['acme/*']], [['acme/web', 'Acme']], [['acme/$web']], [['acme/"web']]])(
    'is not created for repositories %j',
    async (repositories) => {
      const refusal = aws().ecrCredential({ access: byRole(), host, repositories, actions: ['pull'] });

      await expect(refusal).rejects.toMatchObject({ code: 'validation' });
      expect(standIn.ledger).toEqual([]);
    },
  );

  test('says that the access of a key was not narrowed', async () => {
    const user = standIn.user({ accountId, name: 'ci' });
    const { effective, expiresAt } = await aws().ecrCredential({
      access: byKey(user),
      host,
      repositories: ['acme/web'],
      actions: ['pull'],
    });

    expect(effective).toMatchObject({ repositories: '*', actions: ['pull', 'push'], narrowedTo: 'identity' });
    expect(expiresAt).toBe(standIn.state.issued[0]?.expiresAt);
    expect(standIn.ledger.map(({ action }) => action)).toEqual(['GetAuthorizationToken']);
  });

  test('uses the machine’s own identity only if the operator lends it', async () => {
    const access: AwsAccess = { mode: 'ambient', accountId: platform.accountId };
    const { endpoints } = standIn;
    const lending = createAws({ endpoints, ambient: async () => platform, lend: true });
    const { effective } = await lending.ecrCredential({ access, host, actions: ['pull'] });
    expect(effective.narrowedTo).toBe('identity');

    const refused = [
      aws().ecrCredential({ access, host, actions: ['pull'] }),
      createAws({ endpoints, lend: true }).ecrCredential({ access, host, actions: ['pull'] }),
      createAws({ endpoints }).ecrCredential({ access: byRole(), host, actions: ['pull'] }),
    ];
    for (const refusal of refused) await expect(refusal).rejects.toMatchObject({ code: 'platform_identity_missing' });
  });

  test('is not created with an identity of another account than agreed', async () => {
    const user = standIn.user({ accountId: '999900001111' });
    const refusal = aws().ecrCredential({ access: { ...byKey(user), accountId }, host, actions: ['pull'] });

    await expect(refusal).rejects.toMatchObject({ code: 'account_mismatch' });
  });
});

describe('a credential for ECR Public', () => {
  test('is created in the one region that supports it, narrowed to the pushed repositories', async () => {
    const credential = await aws().ecrCredential({
      access: byRole(),
      host: 'public.ecr.aws',
      repositories: ['acme/web'],
      actions: ['push'],
    });

    expect(credential).toMatchObject({ host: 'public.ecr.aws', username: 'AWS' });
    expect(credential.effective).toMatchObject({ repositories: ['acme/web'], narrowedTo: 'repository' });
    expect(standIn.ledger[1]?.scope).toMatchObject({ region: 'us-east-1', service: 'ecr-public' });
    const [enter, act] = JSON.parse(standIn.state.issued[0]?.policy ?? '').Statement;
    expect(enter.Action).toEqual(['ecr-public:GetAuthorizationToken', 'sts:GetServiceBearerToken']);
    expect(act.Resource).toEqual([`arn:aws:ecr-public::${accountId}:repository/web`]);
  });

  test('pulls every public repository', async () => {
    const { effective } = await aws().ecrCredential({
      access: byRole(),
      host: 'public.ecr.aws',
      repositories: ['acme/web'],
      actions: ['pull'],
    });

    expect(effective).toMatchObject({ repositories: '*', actions: ['pull'], note: expect.stringContaining('Anybody') });
  });

  test('also needs a permission of STS', async () => {
    standIn.role({ ...role, allowed: ['ecr-public:GetAuthorizationToken'] });
    const refusal = aws().ecrCredential({ access: byRole(), host: 'public.ecr.aws', actions: ['pull'] });

    await expect(refusal).rejects.toMatchObject({
      code: 'access_denied',
      message: expect.stringContaining('it lacks sts:GetServiceBearerToken'),
    });
  });
});

describe('a role that trusts an issuer', () => {
  const strangers = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYV8yIn0.c2lnbmF0dXJl';
  const access: AwsAccess = {
    mode: 'web_identity',
    roleArn,
    accountId,
    token,
    strangersToken: async () => strangers,
    sessionName: 'int_1',
  };

  test('is rejected if it also accepts another subject', async () => {
    role.tokens.push(strangers);
    await expect(aws().identity(access)).rejects.toMatchObject({
      code: 'subject_not_required',
      settling: true,
      message: expect.stringMatching(/subject/),
    });

    standIn.role({ ...role, tokens: [token] });
    standIn.ledger.length = 0;
    expect(await aws().identity(access)).toMatchObject({ accountId });
    expect(standIn.ledger.map(({ action, status }) => `${action} ${status}`)).toEqual([
      'AssumeRoleWithWebIdentity 200',
      'GetCallerIdentity 200',
      'AssumeRoleWithWebIdentity 403',
    ]);
  });

  test('stays unproven while AWS does not say whether it accepts another subject', async () => {
    const fault = { kind: 'refuse', skip: 1, status: 400, code: 'IDPCommunicationError' } as const;
    standIn.fail({ action: 'AssumeRoleWithWebIdentity', ...fault });
    await expect(aws().identity(access)).rejects.toMatchObject({ code: 'issuer_unreachable' });
  });

  test('is assumed without a signature', async () => {
    const credential = await createAws({ endpoints: standIn.endpoints }).ecrCredential({
      access,
      host,
      repositories: ['web'],
      actions: ['pull'],
    });

    expect(credential.effective).toMatchObject({ repositories: ['web'], narrowedTo: 'repository' });
    expect(standIn.ledger[0]).toMatchObject({ action: 'AssumeRoleWithWebIdentity', scope: undefined });
  });

  test.each(['a.b.c', 'not a token'])('is refused with %j', async (other) => {
    const refusal = aws().identity({ ...access, token: other });

    await expect(refusal).rejects.toMatchObject({ code: 'web_identity_refused' });
    await expect(refusal).rejects.not.toMatchObject({ message: expect.stringContaining(other) });
  });

  test.each([
    ['IDPCommunicationError', 400, 'issuer_unreachable', false],
    ['IDPRejectedClaim', 403, 'web_identity_refused', true],
    ['ExpiredTokenException', 400, 'web_identity_refused', true],
  ])('reports the answer %s', async (code, status, expected, settling) => {
    standIn.fail({ action: 'AssumeRoleWithWebIdentity', kind: 'refuse', status, code });

    await expect(aws().identity(access)).rejects.toMatchObject({ code: expected, status, settling });
  });
});

describe('an identity', () => {
  test('is the principal of the role’s session', async () => {
    expect(await aws().identity(byRole())).toEqual({
      accountId,
      arn: `arn:aws:sts::${accountId}:assumed-role/fairlead/int_1`,
    });
    expect(standIn.ledger[0]?.fields).toMatchObject({
      RoleArn: roleArn,
      ExternalId: externalId,
      RoleSessionName: 'int_1',
      DurationSeconds: '900',
    });
  });

  test('is requested in the given region', async () => {
    await aws().identity(byRole(), { region: 'eu-central-1' });

    expect(new Set(standIn.ledger.map(({ scope }) => scope?.region))).toEqual(new Set(['eu-central-1']));
  });

  test('of Fairlead itself is the principal that roles must trust', async () => {
    expect(await aws().ownIdentity()).toEqual({ accountId: platform.accountId, arn: platform.arn });
  });

  test('of a role that accepts any external id is rejected', async () => {
    standIn.role({ ...role, externalId: undefined });
    await expect(aws().identity(byRole())).rejects.toMatchObject({ code: 'external_id_not_required', settling: true });

    standIn.role(role);
    standIn.ledger.length = 0;
    await aws().identity(byRole());
    const [, , other] = standIn.ledger;
    expect(other).toMatchObject({ action: 'AssumeRole', status: 403 });
    expect(other?.fields['ExternalId']).not.toBe(externalId);
  });

  test('stays unproven while AWS does not say whether it accepts another external id', async () => {
    standIn.fail({ action: 'AssumeRole', kind: 'refuse', skip: 1, status: 503, code: 'ServiceUnavailable' });

    await expect(aws().identity(byRole())).rejects.toMatchObject({ code: 'unavailable' });
    expect(standIn.ledger).toHaveLength(3);
  });

  test('is not requested without an external id', async () => {
    await expect(aws().identity({ ...byRole(), externalId: '' })).rejects.toMatchObject({ code: 'validation' });
    expect(standIn.ledger).toEqual([]);
  });

  test('of another account is rejected', async () => {
    const user = standIn.user({ accountId: '999900001111' });

    await expect(aws().identity({ ...byKey(user), accountId })).rejects.toMatchObject({ code: 'account_mismatch' });
    const elsewhere = { ...byRole(), roleArn: roleArn.replace(accountId, '999900001111') };
    await expect(aws().identity(elsewhere)).rejects.toMatchObject({ code: 'account_mismatch' });
  });
});

describe('no other host is called', () => {
  test.each([
    'evil.example',
    `${accountId}.dkr.ecr.eu-west-1.amazonaws.com.evil.example`,
    `${accountId}.dkr.ecr.evil.example#.amazonaws.com`,
    `${accountId}.dkr.ecr.eu-west-1.amazonaws.com:8443`,
    `${accountId}.dkr.ecr.xx-evil-1.amazonaws.com`,
    'ghcr.io',
  ])('by the host %s', async (other) => {
    const refusal = aws().ecrCredential({ access: byRole(), host: other, actions: ['pull'] });

    await expect(refusal).rejects.toMatchObject({ code: 'address_refused' });
    expect(standIn.ledger).toEqual([]);
  });

  test.each(['evil.example/', 'eu-west-1.evil.example', 'eu-west-1@evil', '', 'xx-evil-1'])(
    'by the region %j',
    async (region) => {
      await expect(aws().identity(byRole(), { region })).rejects.toMatchObject({ code: 'address_refused' });
      expect(standIn.ledger).toEqual([]);
    },
  );

  test('for a role of another partition, or an invalid role', async () => {
    const china = { ...byRole(), roleArn: roleArn.replace('arn:aws:', 'arn:aws-cn:') };
    await expect(aws().ecrCredential({ access: china, host, actions: ['pull'] })).rejects.toMatchObject({
      code: 'validation',
    });
    const none = { ...byRole(), roleArn: `arn:aws:iam::${accountId}:user/somebody` };
    await expect(aws().identity(none)).rejects.toMatchObject({ code: 'validation' });
    expect(standIn.ledger).toEqual([]);
  });
});

test('trusts the certificates of a file, and no unknown one', async () => {
  const pem = (name: string) => fileURLToPath(new URL(`../../support/tls/${name}.pem`, import.meta.url));
  const certificate = { cert: readFileSync(pem('loopback'), 'utf8'), key: readFileSync(pem('loopback-key'), 'utf8') };
  const secure = await startAws(certificate);
  const identity = secure.user();
  const ambient = async () => identity;
  const asking = (caFile?: string) =>
    createAws({ endpoints: secure.endpoints, ambient, ...(caFile !== undefined && { caFile }) }).ownIdentity();
  expect(await asking(pem('loopback'))).toMatchObject({ arn: identity.arn });
  await expect(asking(pem('certificate'))).rejects.toMatchObject({ provider: 'aws' });
  await expect(asking()).rejects.toMatchObject({ provider: 'aws' });
  expect(secure.ledger).toHaveLength(1);
  await secure.stop();
});

function aws(timeoutMs = 5000) {
  return createAws({ endpoints: standIn.endpoints, ambient: async () => platform, timeoutMs });
}

function byRole(): Extract<AwsAccess, { mode: 'assume_role' }> {
  return { mode: 'assume_role', roleArn, externalId, accountId, sessionName: 'int_1' };
}

function byKey({ accessKeyId, secretAccessKey, accountId: own }: Identity): AwsAccess {
  return { mode: 'access_key', accessKeyId, secretAccessKey, accountId: own };
}
