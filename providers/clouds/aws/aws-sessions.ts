import {
  AssumeRoleCommand,
  type AssumeRoleCommandOutput,
  AssumeRoleWithWebIdentityCommand,
  STSClient,
} from '@aws-sdk/client-sts';
import { type AwsPlace, parseRoleArn } from '../../../domain/clouds/aws-partitions.ts';
import type { Ask, AwsKeys, ClientSettings } from './aws-clients.ts';
import { awsError } from './aws-failures.ts';

/** How Fairlead gets access to AWS. `accountId` is the agreed account; an identity of another account is rejected. */
export type AwsAccess = { accountId: string } & (
  | { mode: 'assume_role'; roleArn: string; externalId: string; sessionName: string }
  | {
      mode: 'web_identity';
      roleArn: string;
      /** A token of the issuer that the role's account trusts. It is the only credential of the request. */
      token: string;
      /** A token of the same issuer for a subject that belongs to no account. No role may accept it. */
      strangersToken(): Promise<string>;
      sessionName: string;
    }
  | { mode: 'access_key'; accessKeyId: string; secretAccessKey: string }
  /** Fairlead's own identity, lent to the tenant. */
  | { mode: 'ambient' }
);

export type AwsSession = {
  keys: AwsKeys;
  /** In ms; null if it does not expire. */
  expiresAt: number | null;
};

export type SessionWishes = {
  place: AwsPlace;
  seconds: number;
  /** Restricts what the role may do. Only sessions of roles can have it. */
  policy?: string;
  signal?: AbortSignal | undefined;
};

type Deps = { settings: ClientSettings; ask: Ask; ambient: (() => Promise<AwsKeys>) | undefined; lend: boolean };

export function isNarrowable({ mode }: AwsAccess): boolean {
  return mode === 'assume_role' || mode === 'web_identity';
}

/** Opens a session with this access. A role gets a new session each time. */
export function createSessions({ settings, ask, ambient, lend }: Deps) {
  async function open(access: AwsAccess, wishes: SessionWishes): Promise<AwsSession> {
    switch (access.mode) {
      case 'access_key':
        return { keys: keysOf(access), expiresAt: null };
      case 'ambient':
        if (!lend) throw awsError('platform_identity_missing', 'The operator does not lend Fairlead’s own identity');
        return { keys: await ourKeys(wishes.signal), expiresAt: null };
      default:
        checkRole(access, wishes.place);
        return access.mode === 'assume_role' ? assumeRole(access, wishes) : assumeByToken(access, wishes);
    }
  }

  async function assumeRole(
    access: Extract<AwsAccess, { mode: 'assume_role' }>,
    { place, seconds, policy, signal }: SessionWishes,
  ): Promise<AwsSession> {
    // Without an external id, any tenant that knows the role could use it.
    if (!/^[\w+=,.@:/-]{2,1224}$/.test(access.externalId)) throw awsError('validation', 'The external id is missing');
    const client = new STSClient(settings('sts', place, await ourKeys(signal)));
    const command = new AssumeRoleCommand({
      RoleArn: access.roleArn,
      RoleSessionName: access.sessionName,
      ExternalId: access.externalId,
      DurationSeconds: seconds,
      ...(policy === undefined ? {} : { Policy: policy }),
    });
    return toSession(await ask('assume_role', signal, (options) => client.send(command, options)));
  }

  async function assumeByToken(
    access: Extract<AwsAccess, { mode: 'web_identity' }>,
    { place, seconds, policy, signal }: SessionWishes,
  ): Promise<AwsSession> {
    const client = new STSClient(settings('sts', place, undefined));
    const command = new AssumeRoleWithWebIdentityCommand({
      RoleArn: access.roleArn,
      RoleSessionName: access.sessionName,
      WebIdentityToken: access.token,
      DurationSeconds: seconds,
      ...(policy === undefined ? {} : { Policy: policy }),
    });
    return toSession(await ask('web_identity', signal, (options) => client.send(command, options)));
  }

  async function ourKeys(signal: AbortSignal | undefined): Promise<AwsKeys> {
    if (!ambient) throw awsError('platform_identity_missing');
    try {
      return await ask('identity', signal, () => ambient());
    } catch {
      signal?.throwIfAborted();
      // Usually the machine's own metadata service that does not respond. Its answers may contain keys.
      throw awsError('unavailable', 'Fairlead’s own identity at AWS could not be had from the machine it runs on');
    }
  }

  return { open, ourKeys };
}

function toSession({ Credentials }: Pick<AssumeRoleCommandOutput, 'Credentials'>): AwsSession {
  const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = Credentials ?? {};
  if (!AccessKeyId || !SecretAccessKey || !SessionToken || !Expiration) {
    throw awsError('unexpected', 'AWS answered without a session');
  }
  return {
    keys: { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken },
    expiresAt: Expiration.getTime(),
  };
}

/** The id of a key is sent unchanged in a header. */
function keysOf({ accessKeyId, secretAccessKey }: Extract<AwsAccess, { mode: 'access_key' }>): AwsKeys {
  if (!/^\w{16,128}$/.test(accessKeyId)) throw awsError('invalid_key', 'This is not the id of an access key');
  return { accessKeyId, secretAccessKey };
}

function checkRole({ roleArn, accountId }: { roleArn: string; accountId: string }, { partition }: AwsPlace): void {
  const role = parseRoleArn(roleArn);
  if (!role) throw awsError('validation', 'This is not the ARN of a role');
  if (role.accountId !== accountId) throw awsError('account_mismatch');
  if (role.partition !== partition) {
    throw awsError('validation', `A role of ${role.partition} is unknown in ${partition}, where the registry is`);
  }
}
