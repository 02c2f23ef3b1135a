import { type AccessStage, configAt, secretAt } from '../../db/clouds/cloud-access.ts';
import type { CloudAccount } from '../../db/clouds/cloud-accounts.ts';
import type { Database } from '../../db/store/connection.ts';
import type { Keyring } from '../../db/store/sealing.ts';
import { newId } from '../../domain/ids.ts';
import type { AzureCloud } from '../../domain/registries/registry-hosts.ts';
import type { AwsAccess } from '../../providers/clouds/aws/aws-sessions.ts';
import type { AzureAccess } from '../../providers/clouds/azure/azure-token.ts';
import type { GcpAccess } from '../../providers/clouds/gcp/gcp-token.ts';
import { ProviderError } from '../../providers/failure.ts';
import type { OidcIssuer } from './oidc-issuer.ts';

/** The use of an access. The cloud writes it to its log. */
export type CloudUse = {
  projectId?: string | null;
  /** Absent while the account itself is being proven. */
  integrationId?: string;
  /** The access in use, or another one that is being proven. */
  stage?: AccessStage;
};

/** The operator's OAuth client at Google, with which people give their consent. */
export type GoogleOauth = { clientId: string; clientSecret: string };

type Deps = {
  database: Database;
  keyring: Keyring;
  issuer: Pick<OidcIssuer, 'token'>;
  google?: GoogleOauth | undefined;
};

/** The audience that AWS expects in our tokens. */
export const awsAudience = 'sts.amazonaws.com';

/** Opens the access of a cloud account for one use. The result is secret, and goes to that cloud only. */
export function createCloudAccess({ database, keyring, issuer, google }: Deps) {
  async function secretOf(account: CloudAccount, { stage = 'active' }: CloudUse): Promise<string> {
    const secret = await secretAt(database.reader, keyring, account, stage);
    if (secret !== undefined) return secret;
    throw new ProviderError({
      provider: account.kind,
      code: 'credentials_missing',
      message: `The cloud account ${account.displayName} has no secret here: store it again`,
    });
  }

  const tokenFor = (account: CloudAccount, use: CloudUse, audience: string) =>
    issuer.token({ orgId: account.orgId, cloudAccountId: account.id, audience, ...use });

  /** Has the form of a subject of our issuer, but belongs to no account. */
  const strangersToken = (account: CloudAccount, use: CloudUse, audience: string) =>
    tokenFor({ ...account, id: newId('ca') }, use, audience);

  return {
    async aws(of: CloudAccount, use: CloudUse): Promise<AwsAccess> {
      const account = atStage(of, use);
      const { config, authMode } = account;
      const accountId = field(account, 'account_id');
      if (authMode === 'ambient') return { mode: 'ambient', accountId };
      if (authMode === 'access_key') {
        const secretAccessKey = await secretOf(account, use);
        return { mode: 'access_key', accountId, accessKeyId: field(account, 'access_key_id'), secretAccessKey };
      }
      const role = { accountId, roleArn: field(account, 'role_arn'), sessionName: use.integrationId ?? account.id };
      if (authMode === 'assume_role') return { mode: 'assume_role', ...role, externalId: config['external_id'] ?? '' };
      return {
        mode: 'web_identity',
        ...role,
        token: await tokenFor(account, use, awsAudience),
        strangersToken: () => strangersToken(account, use, awsAudience),
      };
    },

    async gcp(of: CloudAccount, use: CloudUse): Promise<GcpAccess> {
      const account = atStage(of, use);
      const { config, authMode } = account;
      if (authMode === 'service_account_key') {
        const privateKey = await secretOf(account, use);
        return { mode: 'service_account_key', clientEmail: field(account, 'client_email'), privateKey };
      }
      if (authMode === 'oauth') {
        if (!google) throw unconfigured('gcp', 'GOOGLE_OAUTH_CLIENT_ID and GOOGLE_OAUTH_CLIENT_SECRET are not set');
        return { mode: 'oauth', ...google, refreshToken: await secretOf(account, use) };
      }
      return {
        mode: 'workload_identity',
        provider: field(account, 'provider'),
        serviceAccount: config['service_account'],
        subjectToken: (audience) => tokenFor(account, use, audience),
        strangersToken: (audience) => strangersToken(account, use, audience),
      };
    },

    async azure(of: CloudAccount, use: CloudUse): Promise<AzureAccess> {
      const account = atStage(of, use);
      const app = {
        tenantId: field(account, 'tenant_id'),
        clientId: field(account, 'client_id'),
        cloud: field(account, 'cloud') as AzureCloud,
      };
      if (account.authMode === 'client_secret') {
        return { ...app, mode: 'client_secret', clientSecret: await secretOf(account, use) };
      }
      return { ...app, mode: 'federated', assertion: (audience) => tokenFor(account, use, audience) };
    },
  };
}

/** Returns the account with the settings of this access. */
function atStage(account: CloudAccount, { stage = 'active' }: CloudUse): CloudAccount {
  const config = configAt(account, stage);
  return config ? { ...account, config } : account;
}

function field({ config, displayName, kind }: CloudAccount, name: string): string {
  const value = config[name];
  if (value !== undefined) return value;
  throw unconfigured(kind, `The cloud account ${displayName} has no ${name}`);
}

function unconfigured(provider: string, message: string): ProviderError {
  return new ProviderError({ provider, code: 'validation', message });
}

export type CloudAccess = ReturnType<typeof createCloudAccess>;
