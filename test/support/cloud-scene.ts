import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { createCloudAccounts } from '../../broker/cloud-accounts.ts';
import { createCloudAccess } from '../../broker/clouds.ts';
import { createOidcIssuer } from '../../broker/oidc-issuer.ts';
import { keepCloudSecret } from '../../db/cloud-account-secrets.ts';
import { cloudAccountsIn } from '../../db/cloud-accounts.ts';
import type { Database } from '../../db/connection.ts';
import { everything } from '../../db/tenant.ts';
import type { CloudKind } from '../../domain/cloud-accounts.ts';
import { createAws } from '../../providers/clouds/aws.ts';
import { createAzure } from '../../providers/clouds/azure.ts';
import { createGcp } from '../../providers/clouds/gcp.ts';
import type { AwsStandIn } from '../../stand-ins/aws/stand-in.ts';
import type { AzureStandIn } from '../../stand-ins/azure/stand-in.ts';
import type { GoogleStandIn } from '../../stand-ins/google/stand-in.ts';
import { publicUrl } from './api.ts';
import { fetchTo } from './cloud-tls.ts';
import { keyring } from './hooks.ts';

type StandIns = { aws: AwsStandIn; google: GoogleStandIn; azure: AzureStandIn };

export const googleClient = { clientId: '77.apps.googleusercontent.com', clientSecret: 'GOCSPX-1' };

/** The brokers of cloud accounts as they run, on clouds that stand in for the real ones. */
export async function cloudScene(database: Database, { aws, google, azure }: StandIns, at = publicUrl) {
  const platform = aws.user({ accountId: '999999999999', name: 'fairlead' });
  const issuer = createOidcIssuer({ database, keyring, publicUrl: at });
  /** The last token that was made for a cloud. */
  const tokens: string[] = [];
  const noted = {
    async token(request: Parameters<typeof issuer.token>[0]): Promise<string> {
      const token = await issuer.token(request);
      tokens.push(token);
      return token;
    },
  };
  const deps = (url: string) => ({ fetch: fetchTo(url), timeoutMs: 2_000, now: Date.now });
  const providers = {
    aws: createAws({ endpoints: aws.endpoints, ambient: async () => platform, lend: true, timeoutMs: 2_000 }),
    gcp: createGcp({
      ...deps(google.url),
      endpoints: { sts: google.url, iamCredentials: google.url, oauth: google.url },
    }),
    azure: createAzure({ ...deps(azure.url), endpoints: { entra: azure.url } }),
  };
  const clouds = createCloudAccess({ database, keyring, issuer: noted, google: googleClient });
  const [jwk] = await issuer.keys();
  return {
    platform,
    tokens,
    publicKey: createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' }),
    cloudAccounts: createCloudAccounts({ clouds, ...providers, awsIdentity: 'lend' }),

    async add(where: { orgId: string; projectId: string | null }, what: Added): Promise<string> {
      const { secret, ...rest } = what;
      const account = await database.write(async (trx) => {
        const given = { ...where, displayName: 'Cloud', createdBy: 'system', ...rest };
        const made = await cloudAccountsIn(trx, everything).insert(given);
        if (secret !== undefined) await keepCloudSecret(trx, keyring, made, secret);
        return made;
      });
      return account.id;
    },
  };
}

type Added = { kind: CloudKind; authMode: string; config: Record<string, string>; secret?: string };

export type CloudScene = Awaited<ReturnType<typeof cloudScene>>;
