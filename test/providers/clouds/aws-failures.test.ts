import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createAws } from '../../../providers/clouds/aws/aws.ts';
import type { AwsAccess } from '../../../providers/clouds/aws/aws-sessions.ts';
import { ProviderError } from '../../../providers/failure.ts';
import { type AwsStandIn, type Fault, type Identity, startAws } from '../../../stand-ins/aws/stand-in.ts';

const accountId = '444455556666';
const host = `${accountId}.dkr.ecr.eu-west-1.amazonaws.com`;
const roleArn = `arn:aws:iam::${accountId}:role/fairlead`;
const canary = 'canary-6b1f3c';

let standIn: AwsStandIn;
let platform: Identity;
let user: Identity;

beforeEach(async () => {
  standIn = await startAws();
  platform = standIn.user();
  user = standIn.user({ accountId, name: 'ci' });
  standIn.role({ arn: roleArn, trusts: [platform.arn], externalId: 'fl-1' });
});

afterEach(() => standIn.stop());

type Case = [answer: string, status: number, code: string, settling?: boolean];

describe('when a token for the registry is asked for', () => {
  test.each<Case>([
    ['ThrottlingException', 400, 'rate_limited'],
    ['TooManyRequestsException', 429, 'rate_limited'],
    ['ServerException', 500, 'unavailable'],
    ['ServiceUnavailable', 503, 'unavailable'],
    ['AccessDeniedException', 400, 'access_denied', true],
    ['UnrecognizedClientException', 400, 'invalid_key', true],
    ['InvalidSignatureException', 400, 'signature_mismatch', true],
    ['ExpiredTokenException', 400, 'session_expired'],
    ['RequestExpired', 400, 'clock_skew'],
    ['InvalidParameterException', 400, 'validation'],
    ['Something', 400, 'unexpected'],
  ])('%s with %s is %s', async (code, status, expected, settling = false) => {
    const failure = await refusedToken({ kind: 'refuse', code, status, message: canary });

    expect(failure).toMatchObject({ provider: 'aws', code: expected, status, settling, ambiguous: false });
    expect(failure.message).not.toContain(canary);
    expect(standIn.ledger).toHaveLength(1);
  });

  test('judges an answer in XML by its status', async () => {
    const message = `<ErrorResponse><Errors><Error><Code>AccessDenied</Code>${canary}</Error></Errors></ErrorResponse>`;
    expect(await refusedToken({ kind: 'raw', status: 403, message })).toMatchObject({ code: 'access_denied' });
    expect(await refusedToken({ kind: 'raw', status: 502, message: canary })).toMatchObject({ code: 'unavailable' });
    const failure = await refusedToken({ kind: 'raw', status: 200, message: canary });
    expect(failure).toMatchObject({ code: 'unexpected', message: expect.not.stringContaining(canary) });
  });

  test.each([
    ['{"authorizationData":[]}'],
    ['{"authorizationData":[{"authorizationToken":"QVdTOg==","expiresAt":1800000000}]}'],
    ['{"authorizationData":[{"authorizationToken":"QVdTOnNlY3JldA=="}]}'],
  ])('rejects an answer without a usable token: %s', async (message) => {
    expect(await refusedToken({ kind: 'raw', status: 200, message })).toMatchObject({ code: 'unexpected' });
  });

  test('keeps the retry time that AWS names', async () => {
    const failure = await refusedToken({
      kind: 'refuse',
      code: 'ThrottlingException',
      headers: { 'retry-after': '7' },
    });

    expect(failure.retryAfterMs).toBe(7000);
  });

  test('names the missing permission, and repeats no other text of AWS', async () => {
    standIn.state.identities.set(user.accessKeyId, { ...user, allowed: [] });
    const failure = await caught(createdBy(user));

    expect(failure.message).toBe(
      'The identity may not do this: it lacks ecr:GetAuthorizationToken (AWS answered 400: AccessDeniedException)',
    );
  });

  test('treats an inactive key like a deleted one', async () => {
    standIn.state.identities.set(user.accessKeyId, { ...user, active: false });

    expect(await caught(createdBy(user))).toMatchObject({ code: 'invalid_key', status: 400 });
  });

  test('tells a wrong secret from a wrong key', async () => {
    expect(await caught(createdBy({ ...user, secretAccessKey: canary }))).toMatchObject({ code: 'signature_mismatch' });
    expect(await caught(createdBy({ ...user, accessKeyId: `AKIA${'0'.repeat(16)}` }))).toMatchObject({
      code: 'invalid_key',
    });
  });

  test.each([`${'A'.repeat(16)}\r\nx-evil: 1`, 'AWS', ''])(
    'does not send %j, which is not a key',
    async (accessKeyId) => {
      expect(await caught(createdBy({ ...user, accessKeyId }))).toMatchObject({ code: 'invalid_key' });
      expect(standIn.ledger).toEqual([]);
    },
  );

  test.each([-6, 6])('blames our own clock when it is %s minutes off', async (minutes) => {
    standIn.state.clockAheadMs = minutes * 60_000;

    expect(await caught(createdBy(user))).toMatchObject({ code: 'clock_skew', settling: false });
    expect(await caught(aws().identity(byRole()))).toMatchObject({ code: 'clock_skew' });
  });
});

describe('when a role is asked for', () => {
  test.each<Case>([
    ['Throttling', 400, 'rate_limited'],
    ['InternalFailure', 500, 'unavailable'],
    ['AccessDenied', 403, 'assume_role_refused', true],
    ['InvalidClientTokenId', 403, 'platform_identity_refused'],
    ['SignatureDoesNotMatch', 403, 'platform_identity_refused'],
    ['ExpiredToken', 403, 'platform_identity_refused'],
    ['RegionDisabledException', 403, 'region_disabled'],
    ['MalformedPolicyDocument', 400, 'policy_malformed'],
    ['PackedPolicyTooLarge', 400, 'policy_too_large'],
    ['ValidationError', 400, 'validation'],
  ])('%s with %s is %s', async (code, status, expected, settling = false) => {
    standIn.fail({ action: 'AssumeRole', kind: 'refuse', code, status, message: canary });
    const failure = await caught(aws().identity(byRole()));

    expect(failure).toMatchObject({ code: expected, status, settling });
    expect(failure.message).not.toContain(canary);
  });

  test('treats a wrong external id, a wrong principal and a missing role alike', async () => {
    const other = createAws({ endpoints: standIn.endpoints, ambient: async () => user });
    for (const refusal of [
      aws().identity({ ...byRole(), externalId: 'fl-2' }),
      aws().identity({ ...byRole(), roleArn: `${roleArn}-2` }),
      other.identity(byRole()),
    ]) {
      expect(await caught(refusal)).toMatchObject({ code: 'assume_role_refused', settling: true });
    }
  });

  test('does not blame the tenant when the machine has no identity, and repeats none of its text', async () => {
    const ambient = async () => {
      throw new Error(canary);
    };
    const failure = await caught(createAws({ endpoints: standIn.endpoints, ambient }).identity(byRole()));

    expect(failure).toMatchObject({ code: 'unavailable', message: expect.not.stringContaining(canary) });
  });
});

describe('when the search for the machine’s identity never ends', () => {
  const never = () => new Promise<never>(() => {});

  test('stops waiting after the timeout of an AWS call', async () => {
    const lost = createAws({ endpoints: standIn.endpoints, ambient: never, timeoutMs: 200 });

    expect(await caught(lost.identity(byRole()))).toMatchObject({ code: 'unavailable' });
  });

  test('passes on the abort reason of the caller', async () => {
    const lost = createAws({ endpoints: standIn.endpoints, ambient: never });

    await expect(lost.identity(byRole(), { signal: AbortSignal.timeout(100) })).rejects.toThrow('due to timeout');
    const gone = AbortSignal.abort(new Error('already gone'));
    await expect(lost.identity(byRole(), { signal: gone })).rejects.toThrow('already gone');
  });
});

describe('when it asks for an identity', () => {
  test.each<Case>([
    ['InvalidClientTokenId', 403, 'invalid_key', true],
    ['SignatureDoesNotMatch', 403, 'signature_mismatch', true],
    ['AccessDenied', 403, 'access_denied', true],
    ['ExpiredToken', 403, 'session_expired'],
  ])('%s with %s is %s', async (code, status, expected, settling = false) => {
    standIn.fail({ action: 'GetCallerIdentity', kind: 'refuse', code, status });

    expect(await caught(aws().identity(byKey(user)))).toMatchObject({ code: expected, status, settling });
  });
});

describe('when AWS does not respond', () => {
  test.each(['hang', 'hang_body'] as const)('reports a timeout (%s)', async (kind) => {
    standIn.fail({ action: 'GetAuthorizationToken', kind });
    const failure = await caught(createdBy(user, 300));

    expect(failure).toMatchObject({ code: 'timeout', status: undefined });
  });

  test('reports a broken connection as a network failure', async () => {
    expect(await refusedToken({ kind: 'reset' })).toMatchObject({ code: 'network', status: undefined });
    await standIn.stop();
    expect(await caught(createdBy(user))).toMatchObject({ code: 'network' });
  });

  test('passes on the abort reason of the caller', async () => {
    standIn.fail({ action: 'GetAuthorizationToken', kind: 'hang' });
    const giveUp = new AbortController();
    const asked = aws().ecrCredential({ access: byKey(user), host, actions: ['pull'], signal: giveUp.signal });
    setTimeout(() => giveUp.abort(new Error('enough')), 100);

    await expect(asked).rejects.toThrow('enough');
  });
});

describe('environment variables', () => {
  afterEach(() => vi.unstubAllEnvs());

  test('redirect no request and supply no credential', async () => {
    vi.stubEnv('AWS_ENDPOINT_URL', 'http://127.0.0.1:9');
    vi.stubEnv('AWS_ACCESS_KEY_ID', platform.accessKeyId);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', platform.secretAccessKey);
    vi.stubEnv('AWS_SESSION_TOKEN', canary);
    vi.stubEnv('AWS_USE_FIPS_ENDPOINT', 'true');
    vi.stubEnv('AWS_USE_DUALSTACK_ENDPOINT', 'true');
    vi.stubEnv('AWS_MAX_ATTEMPTS', '5');

    expect(await createdBy(user)).toMatchObject({ username: 'AWS' });
    const failure = await refusedToken({ kind: 'refuse', status: 500, code: 'ServerException' });
    expect(failure).toMatchObject({ code: 'unavailable' });
    expect(standIn.ledger.map(({ scope }) => scope?.accessKeyId)).toEqual([user.accessKeyId, user.accessKeyId]);
  });

  // In a partition without names on the internet.
  test('set no other address than AWS’s own', async () => {
    vi.stubEnv('AWS_ENDPOINT_URL', standIn.url);
    const isolated = `${accountId}.dkr.ecr.us-iso-east-1.c2s.ic.gov`;
    const asked = createAws({ timeoutMs: 2000 }).ecrCredential({
      access: byKey(user),
      host: isolated,
      actions: ['pull'],
    });

    expect((await caught(asked)).status).toBeUndefined();
    expect(standIn.ledger).toEqual([]);
  });
});

async function refusedToken(fault: Omit<Fault, 'action'>): Promise<ProviderError> {
  standIn.fail({ action: 'GetAuthorizationToken', times: 1, ...fault });
  return caught(createdBy(user));
}

async function caught(work: Promise<unknown>): Promise<ProviderError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof ProviderError) return error;
  throw new Error(`No ProviderError: ${String(error)}`);
}

function createdBy(keys: Identity, timeoutMs?: number) {
  return aws(timeoutMs).ecrCredential({ access: byKey(keys), host, actions: ['pull'] });
}

function aws(timeoutMs = 5000) {
  return createAws({ endpoints: standIn.endpoints, ambient: async () => platform, timeoutMs });
}

function byRole(): Extract<AwsAccess, { mode: 'assume_role' }> {
  return { mode: 'assume_role', roleArn, externalId: 'fl-1', accountId, sessionName: 'int_1' };
}

function byKey({ accessKeyId, secretAccessKey }: Identity): AwsAccess {
  return { mode: 'access_key', accessKeyId, secretAccessKey, accountId };
}
