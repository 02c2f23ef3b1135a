import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { createOidcIssuer } from '../../../broker/clouds/oidc-issuer.ts';
import { openRegistries } from '../../../broker/open-registries.ts';
import { allCloudAccounts, keepCloudSecret } from '../../../db/clouds/cloud-accounts.ts';
import type { Database } from '../../../db/store/connection.ts';
import type { CloudKind } from '../../../domain/clouds/cloud-accounts.ts';
import { publicUrl } from '../api.ts';
import { type CloudStandIns, cloudsAt, googleClient } from '../fakes/clouds.ts';
import { keyring } from '../hooks.ts';
import { loopbackCaFile } from '../programs/cloud-tls.ts';

/** The brokers of cloud accounts on stand-ins for the clouds. */
export async function cloudScene(database: Database, standIns: CloudStandIns, at = publicUrl) {
  const { aws, google, azure } = standIns;
  const platform = aws.user({ accountId: '999999999999', name: 'fairlead' });
  const issuer = createOidcIssuer({ database, keyring, publicUrl: at });
  /** The last token that was created for a cloud. */
  const tokens: string[] = [];
  const noted = {
    async token(request: Parameters<typeof issuer.token>[0]): Promise<string> {
      const token = await issuer.token(request);
      tokens.push(token);
      return token;
    },
  };
  const { cloudAccounts } = openRegistries(
    { clouds: { awsIdentity: 'lend', google: googleClient }, caFile: loopbackCaFile, publicUrl: at },
    { database, keyring },
    { issuer: noted, allowedHosts: [google, azure].map(({ url }) => ({ origin: url })) },
    cloudsAt(standIns, platform),
  );
  const [jwk] = await issuer.keys();
  return {
    platform,
    tokens,
    publicKey: createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' }),
    cloudAccounts,

    async add(where: { orgId: string; projectId: string | null }, what: Added): Promise<string> {
      const { secret, ...rest } = what;
      const account = await database.write(async (trx) => {
        const given = { ...where, displayName: 'Cloud', createdBy: 'system', ...rest };
        const made = await allCloudAccounts(trx).insert(given);
        if (secret !== undefined) await keepCloudSecret(trx, keyring, made, secret);
        return made;
      });
      return account.id;
    },
  };
}

type Added = { kind: CloudKind; authMode: string; config: Record<string, string>; secret?: string };

export type CloudScene = Awaited<ReturnType<typeof cloudScene>>;
