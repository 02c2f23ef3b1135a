import { type GithubSecretKind, verifyingCredentialStatuses } from '../../domain/secrets/credential-status.ts';
import { webhookOverlapMs } from '../../domain/secrets/rotation-phase.ts';
import type { Db } from '../store/connection.ts';
import type { Keyring } from '../store/sealing.ts';
import type { Credential } from './credentials.ts';
import { ifReadable, sealedSecrets } from './sealed-secrets.ts';

/** Stores the sealed secrets of GitHub Apps. It returns plain text: use it once, and keep it nowhere. */
export function githubAppSecrets(db: Db, keyring: Keyring) {
  const secrets = sealedSecrets(db, keyring);
  const { open } = secrets;
  const active = (githubAppId: string, kind: GithubSecretKind) => secrets.active({ githubAppId }, kind);

  return {
    /** The private key in PEM format. */
    privateKey: (githubAppId: string) => active(githubAppId, 'private_key'),
    clientSecret: (githubAppId: string) => active(githubAppId, 'client_secret'),

    secretOf: secrets.secretOf,
    blank: secrets.blank,

    /**
     * Adds a version that is not in use yet, and returns its number. Webhooks that are signed with it already verify.
     */
    addPending: ({ id }: Pick<Credential, 'id'>, secret: string): Promise<number> => secrets.addPending(id, secret),

    /**
     * Returns every secret that can have signed a webhook of this GitHub App now. Skips one that does not open. If none
     * opens, throws.
     */
    async webhookSecrets(githubAppId: string): Promise<string[]> {
      const owner = await secrets.find({ githubAppId }, 'webhook_secret');
      if (!owner) return [];
      const rows = await db('credential_versions')
        .where({ credential_id: owner.id })
        .whereIn('status', verifyingCredentialStatuses)
        .where((good) =>
          good.whereNot({ status: 'retiring' }).orWhere('updated_at', '>', Date.now() - webhookOverlapMs),
        )
        .orderBy('version', 'desc');
      const opened = await Promise.all(rows.map((row) => ifReadable(open(owner, row))));
      const good = opened.filter((secret) => secret !== undefined);
      const [newest] = rows;
      return good.length > 0 || !newest ? good : [await open(owner, newest)];
    },

    /** Makes `secret` the active version; see `sealedSecrets`. */
    put: (githubAppId: string, orgId: string | null, kind: GithubSecretKind, secret: string): Promise<boolean> =>
      secrets.put({ githubAppId }, orgId, kind, secret),
  };
}
