import { newId } from '../../domain/ids.ts';
import { type GithubSecretKind, verifyingCredentialStatuses } from '../../domain/secrets/credential-status.ts';
import { webhookOverlapMs } from '../../domain/secrets/rotation-phase.ts';
import type { Db } from '../store/connection.ts';
import type { Keyring } from '../store/sealing.ts';
import type { Credential } from './credentials.ts';
import { ifReadable, sealContextOf, sealedSecrets } from './sealed-secrets.ts';

/** Stores the sealed secrets of GitHub Apps. It returns plain text: use it once, and keep it nowhere. */
export function githubAppSecrets(db: Db, keyring: Keyring) {
  const secrets = sealedSecrets(db, keyring);
  const { open } = secrets;
  const active = (githubAppId: string, kind: GithubSecretKind) => secrets.active({ githubAppId }, kind);

  return {
    /** The private key in PEM format. */
    privateKey: (githubAppId: string) => active(githubAppId, 'private_key'),
    clientSecret: (githubAppId: string) => active(githubAppId, 'client_secret'),

    /** Returns the secret of one version in any status, until it is purged. */
    async secretOf(credentialId: string, version: number): Promise<string | undefined> {
      const owner = await db('credentials').where({ id: credentialId }).first();
      const row = await db('credential_versions').where({ credential_id: credentialId, version }).first();
      return owner && row?.sealed ? open(owner, row) : undefined;
    },

    /**
     * Adds a version that nothing uses yet, and returns its number. Webhooks that are signed with it already verify.
     */
    async addPending({ id: credentialId }: Pick<Credential, 'id'>, secret: string): Promise<number> {
      const owner = await db('credentials').where({ id: credentialId }).first();
      if (!owner) throw new Error(`There is no credential ${credentialId}`);
      const now = Date.now();
      const versions = db('credential_versions').where({ credential_id: credentialId });
      const newest = await versions.orderBy('version', 'desc').first('version');
      const version = (newest?.version ?? 0) + 1;
      const { sealed, keyId } = keyring.seal(secret, await sealContextOf(db, owner, version));
      await db('credential_versions').insert({
        id: newId('crv'),
        credential_id: credentialId,
        version,
        status: 'pending',
        sealed,
        key_id: keyId,
        created_at: now,
        updated_at: now,
      });
      return version;
    },

    /** Destroys the secret of a version but keeps its status. A secret that was rejected might be valid elsewhere. */
    async blank(credentialId: string, version: number): Promise<void> {
      const owner = await db('credentials').where({ id: credentialId }).first();
      if (!owner) return;
      const { sealed, keyId } = keyring.seal('', await sealContextOf(db, owner, version));
      await db('credential_versions')
        .where({ credential_id: credentialId, version })
        .whereNot({ status: 'purged' })
        .update({ sealed, key_id: keyId });
    },

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
