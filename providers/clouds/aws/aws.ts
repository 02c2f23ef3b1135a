import { randomUUID } from 'node:crypto';
import { ECRClient, GetAuthorizationTokenCommand } from '@aws-sdk/client-ecr';
import {
  ECRPUBLICClient,
  GetAuthorizationTokenCommand as GetPublicAuthorizationTokenCommand,
} from '@aws-sdk/client-ecr-public';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { type AwsPlace, awsPlace, parseRoleArn } from '../../../domain/clouds/aws-partitions.ts';
import { type AwsPartition, type EcrHost, registryHost } from '../../../domain/registries/registry-hosts.ts';
import type { RegistryCredential, RegistryPurpose } from '../../../domain/registries/registry-purposes.ts';
import type { ProxySettings } from '../../egress/proxy.ts';
import { ProviderError } from '../../failure.ts';
import { type AwsEndpoints, type AwsKeys, createAsk, createClientSettings } from './aws-clients.ts';
import { awsError } from './aws-failures.ts';
import { narrowings, unnarrowed } from './aws-narrowing.ts';
import { type AwsAccess, type AwsSession, createSessions, isNarrowable, type SessionWishes } from './aws-sessions.ts';

export type AwsOptions = {
  endpoints?: AwsEndpoints;
  /** Fairlead's own identity, which assumes roles. Undefined if the operator has not configured one. */
  ambient?: () => Promise<AwsKeys>;
  /**
   * Whether a cloud account may use that identity itself. AWS then sees no difference between Fairlead and the creator
   * of such an account.
   */
  lend?: boolean;
  /** The timeout of each request. */
  timeoutMs?: number;
  /** A PEM file with certificates that are trusted in addition to the well-known ones. */
  caFile?: string;
  /** The operator's proxy for https. */
  proxy?: ProxySettings | undefined;
};

export type AwsIdentity = { accountId: string; arn: string };

export type EcrWish = {
  access: AwsAccess;
  host: string;
  /** Names below the host. If absent, all repositories of the account. */
  repositories?: string[];
  actions: RegistryPurpose[];
  /** The minimum remaining lifetime of the credential. */
  minTtlMs?: number;
  signal?: AbortSignal;
};

/** The fields of a token that both of AWS's services return. */
type Authorization = { authorizationToken?: string | undefined; expiresAt?: Date | undefined };

export type Aws = ReturnType<typeof createAws>;

/** The client of AWS. It always calls the given region. Its tokens cannot be revoked; they expire. */
export function createAws(options: AwsOptions = {}) {
  const { endpoints = {}, ambient, lend = false, timeoutMs = 10_000 } = options;
  const settings = createClientSettings(endpoints, timeoutMs, options);
  const ask = createAsk(timeoutMs);
  const { open: openSession, ourKeys } = createSessions({ settings, ask, ambient, lend });

  return {
    /** Fairlead's own principal at AWS, which roles must trust. */
    async ownIdentity({ region, signal }: AskedWhere = {}): Promise<AwsIdentity> {
      return callerIdentity(placeOf(region), await ourKeys(signal), signal);
    },

    /**
     * Returns the principal of the access, which needs no permission. Throws if it belongs to another account. Also
     * throws if a role accepts any external id, or a token of any subject: then any tenant of this Fairlead could use
     * the role.
     */
    async identity(access: AwsAccess, { region, signal }: AskedWhere = {}): Promise<AwsIdentity> {
      const place = placeOf(region, 'roleArn' in access ? parseRoleArn(access.roleArn)?.partition : undefined);
      const wishes = { place, seconds: shortestSession, signal };
      const { keys } = await openSession(access, wishes);
      const identity = await callerIdentity(place, keys, signal);
      if (identity.accountId !== access.accountId) throw awsError('account_mismatch');
      if (access.mode === 'assume_role')
        await requireRefusal({ ...access, externalId: `other-${randomUUID()}` }, wishes);
      if (access.mode === 'web_identity')
        await requireRefusal({ ...access, token: await access.strangersToken() }, wishes);
      return identity;
    },

    /** Returns a credential for a registry, narrowed as far as AWS can, and says how far that is. */
    async ecrCredential(wish: EcrWish): Promise<RegistryCredential> {
      const registry = registryHost(wish.host);
      if (registry?.kind !== 'ecr') throw awsError('address_refused');
      const { access, actions, repositories } = wish;
      const { partition, region, account } = registry;
      const target = account ? { partition, region, accountId: account } : { partition, accountId: access.accountId };
      const seconds = sessionSeconds(wish.minTtlMs);

      const ladder = isNarrowable(access) ? narrowings({ target, actions, repositories }) : [unnarrowed];
      for (const [step, { policy, effective }] of ladder.entries()) {
        try {
          const session = await openSession(access, {
            place: registry,
            seconds,
            signal: wish.signal,
            ...(policy === undefined ? {} : { policy }),
          });
          const token = await authorization(registry, session.keys, access.accountId, wish.signal);
          return { host: registry.host, ...toCredential(token, session), effective };
        } catch (error) {
          // AWS measures a policy after packing it in an undocumented format.
          const isTooLarge = error instanceof ProviderError && error.code === 'policy_too_large';
          if (!isTooLarge || step === ladder.length - 1) throw error;
        }
      }
      throw awsError('policy_too_large');
    },
  };

  async function callerIdentity(place: AwsPlace, keys: AwsKeys, signal: AbortSignal | undefined): Promise<AwsIdentity> {
    const client = new STSClient(settings('sts', place, keys));
    const command = new GetCallerIdentityCommand({});
    const { Account, Arn } = await ask('identity', signal, (options) => client.send(command, options));
    if (!Account || !Arn) throw awsError('unexpected', 'AWS answered without an identity');
    return { accountId: Account, arn: Arn };
  }

  async function requireRefusal(access: AwsRole, wishes: SessionWishes): Promise<void> {
    const { refused, notRequired } = refusalsDue[access.mode];
    try {
      await openSession(access, wishes);
    } catch (error) {
      if (error instanceof ProviderError && error.code === refused) return;
      throw error;
    }
    throw awsError(notRequired);
  }

  async function authorization(
    registry: EcrHost,
    keys: AwsKeys,
    accountId: string,
    signal: AbortSignal | undefined,
  ): Promise<Authorization> {
    if (registry.account === undefined) {
      const client = new ECRPUBLICClient(settings('ecrPublic', registry, keys));
      const command = new GetPublicAuthorizationTokenCommand({});
      const { authorizationData } = await ask('token', signal, (options) => client.send(command, options));
      return authorizationData ?? {};
    }
    const client = new ECRClient(settings('ecr', registry, keys));
    const command = new GetAuthorizationTokenCommand({});
    const { authorizationData } = await ask('token', signal, (options) => client.send(command, options));
    const first = authorizationData?.[0];
    // AWS names the registry of the identity itself, which can differ from the requested one.
    const own = /^https:\/\/(\d{12})\.dkr[.-]/.exec(first?.proxyEndpoint ?? '')?.[1];
    if (own !== undefined && own !== accountId) throw awsError('account_mismatch');
    return first ?? {};
  }
}

type AwsRole = Extract<AwsAccess, { roleArn: string }>;

/** How AWS must reject a stranger, and what is missing from the trust policy otherwise. */
const refusalsDue = {
  assume_role: { refused: 'assume_role_refused', notRequired: 'external_id_not_required' },
  web_identity: { refused: 'web_identity_refused', notRequired: 'subject_not_required' },
} as const satisfies Record<AwsRole['mode'], object>;

type AskedWhere = { region?: string; signal?: AbortSignal };

function placeOf(region: string | undefined, partition?: AwsPartition): AwsPlace {
  const place = awsPlace(region, partition);
  if (!place) throw awsError('address_refused', 'This is not a region of AWS');
  return place;
}

const shortestSession = 900;
const usualSession = 3600;
const longestSession = 43_200;

/** Adds time so that the credential still lives long enough when it arrives, up to AWS's default of one hour. */
function sessionSeconds(minTtlMs: number | undefined): number {
  if (minTtlMs === undefined) return usualSession;
  const asked = Math.ceil(minTtlMs / 1000);
  if (asked > longestSession) throw awsError('session_too_long', 'A credential of AWS lives for twelve hours at most');
  if (asked > usualSession) return Math.min(asked + 60, longestSession);
  return Math.max(shortestSession, Math.min(asked + 60, usualSession));
}

function toCredential({ authorizationToken, expiresAt }: Authorization, session: AwsSession) {
  const text = Buffer.from(authorizationToken ?? '', 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 1 || colon === text.length - 1 || !expiresAt) {
    throw awsError('unexpected', 'AWS answered without a token for the registry');
  }
  return {
    username: text.slice(0, colon),
    // A password may contain colons.
    password: text.slice(colon + 1),
    // In case AWS ends the tokens of a session together with the session.
    expiresAt: Math.min(expiresAt.getTime(), session.expiresAt ?? Number.POSITIVE_INFINITY),
  };
}
