import {
  AssumeRoleCommand,
  type AssumeRoleCommandOutput,
  AssumeRoleWithWebIdentityCommand,
  STSClient,
} from '@aws-sdk/client-sts';
import { type AwsPlace, parseRoleArn } from '../../../domain/clouds/aws-partitions.ts';
import type { Ask, AwsKeys, ClientSettings } from './aws-clients.ts';
import { awsError } from './aws-failures.ts';

/** How AWS is entered. The account is the one that was agreed on: an identity of another one is refused. */
export type AwsAccess = { accountId: string } & (
  | { mode: 'assume_role'; roleArn: string; externalId: string; sessionName: string }
  | {
      mode: 'web_identity';
      roleArn: string;
      /** One that the role's account trusts the issuer of; it is all that this request is known by. */
      token: string;
      /** Of the same issuer, for a subject that is nobody's: no role may take it. */
      strangersToken(): Promise<string>;
      sessionName: string;
    }
  | { mode: 'access_key'; accessKeyId: string; secretAccessKey: string }
  /** Fairlead's own identity, lent. */
  | { mode: 'ambient' }
);

export type AwsSession = {
  keys: AwsKeys;
  /** In ms; null for what does not end by itself. */
  expiresAt: number | null;
};

export type SessionWishes = {
  place: AwsPlace;
  seconds: number;
  /** Takes away from what the role may do; for sessions of roles only. */
  policy?: string;
  signal?: AbortSignal | undefined;
};

type Deps = { settings: ClientSettings; ask: Ask; ambient: (() => Promise<AwsKeys>) | undefined; lend: boolean };

export function isNarrowable({ mode }: AwsAccess): boolean {
  return mode === 'assume_role' || mode === 'web_identity';
}

/** Opens a session of the access: a fresh one each time, where there is a role. */
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
    // Without one, whoever knows the role could name it.
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
      // Mostly the machine's own metadata service that does not answer; what it says may hold keys.
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

/** The id of a key goes into a header as it is. */
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
