import { randomBytes } from 'node:crypto';
import { type Identity, newKeys, nowIn, Refused, type Role, type State } from './state.ts';

type Fields = URLSearchParams;

/** Responds to the actions of STS with the XML inside of a result. */
export const securityTokenActions: Record<string, (state: State, fields: Fields, caller: () => Identity) => string> = {
  GetCallerIdentity(_state, _fields, caller) {
    const { accountId, arn, accessKeyId } = caller();
    return `<Arn>${arn}</Arn><UserId>${accessKeyId}</UserId><Account>${accountId}</Account>`;
  },

  AssumeRole(state, fields, caller) {
    const { arn } = caller();
    const role = state.roles.get(fields.get('RoleArn') ?? '');
    // One response for all reasons, so that it does not reveal whether a role exists.
    const fits = role?.externalId === undefined || role.externalId === fields.get('ExternalId');
    if (!role?.trusts.includes(arn) || !fits) {
      const what = `sts:AssumeRole on resource: ${fields.get('RoleArn')}`;
      throw new Refused(403, 'AccessDenied', `User: ${arn} is not authorized to perform: ${what}`);
    }
    return startSession(state, role, fields);
  },

  AssumeRoleWithWebIdentity(state, fields) {
    const role = state.roles.get(fields.get('RoleArn') ?? '');
    const token = fields.get('WebIdentityToken') ?? '';
    if (token.split('.').length !== 3) {
      throw new Refused(400, 'InvalidIdentityToken', 'The ID Token provided is not a valid JWT');
    }
    if (!role || !takes(role, token)) {
      throw new Refused(403, 'AccessDenied', 'Not authorized to perform sts:AssumeRoleWithWebIdentity');
    }
    return startSession(state, role, fields);
  },
};

/** Checks the role's trust policy. Signatures are checked elsewhere. */
function takes({ tokens, federated }: Role, token: string): boolean {
  if (tokens.includes(token)) return true;
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString() || '{}');
  return federated !== undefined && Object.entries(federated).every(([name, value]) => claims[name] === value);
}

function startSession(state: State, role: Role, fields: Fields): string {
  const seconds = Number(fields.get('DurationSeconds') ?? 3600);
  if (seconds < 900) invalid(`1 validation error detected: Value '${seconds}' at 'durationSeconds' is too small`);
  if (seconds > role.maxSeconds) {
    invalid('The requested DurationSeconds exceeds the MaxSessionDuration set for this role.');
  }
  const policy = fields.get('Policy') ?? undefined;
  if (policy !== undefined) checkPolicy(state, policy);

  const name = fields.get('RoleSessionName') ?? '';
  if (!/^[\w+=,.@-]{2,64}$/.test(name)) invalid(`Value '${name}' at 'roleSessionName' failed to satisfy constraint`);
  const [, accountId = '', roleName = ''] = /^arn:[\w-]+:iam::(\d{12}):role\/(?:.*\/)?([^/]+)$/.exec(role.arn) ?? [];
  const session: Identity = {
    ...newKeys('ASIA'),
    accountId,
    arn: `${role.arn.split(':iam:')[0]}:sts::${accountId}:assumed-role/${roleName}/${name}`,
    sessionToken: randomBytes(40).toString('base64'),
    expiresAt: Math.floor(nowIn(state) / 1000) * 1000 + seconds * 1000,
    active: true,
    allowed: role.allowed,
    ...(policy === undefined ? {} : { policy }),
  };
  state.identities.set(session.accessKeyId, session);
  return [
    '<Credentials>',
    `<AccessKeyId>${session.accessKeyId}</AccessKeyId>`,
    `<SecretAccessKey>${session.secretAccessKey}</SecretAccessKey>`,
    `<SessionToken>${session.sessionToken}</SessionToken>`,
    `<Expiration>${new Date(session.expiresAt ?? 0).toISOString()}</Expiration>`,
    '</Credentials>',
    `<AssumedRoleUser><Arn>${session.arn}</Arn><AssumedRoleId>AROA:${name}</AssumedRoleId></AssumedRoleUser>`,
  ].join('');
}

function checkPolicy(state: State, policy: string): void {
  if (policy.length > 2048) invalid(`Member must have length less than or equal to 2048`);
  try {
    JSON.parse(policy);
  } catch {
    throw new Refused(400, 'MalformedPolicyDocument', 'Syntax errors in policy.');
  }
  if (policy.length > state.packedPolicyLimit) {
    throw new Refused(400, 'PackedPolicyTooLarge', 'Packed size of session policy consumes 131% of allotted space.');
  }
}

function invalid(message: string): never {
  throw new Refused(400, 'ValidationError', message);
}
