import { newId } from '../../domain/ids.ts';
import { type GithubSecretKind, verifyingCredentialStatuses } from '../../domain/secrets/credential-status.ts';
import { webhookOverlapMs } from '../../domain/secrets/rotation-phase.ts';
import type { Db } from '../store/connection.ts';
import type { Keyring } from '../store/sealing.ts';
import type { Credential } from './credentials.ts';
import { sealedSecrets } from './sealed-secrets.ts';

/** The sealed secrets of GitHub Apps. What it answers is plain text: it stays with whoever asked, for that one use. */
export function githubAppSecrets(db: Db, keyring: Keyring) {
  const secrets = sealedSecrets(db, keyring);
  const { open } = secrets;
  const active = (githubAppId: string, kind: GithubSecretKind) => secrets.active({ githubAppId }, kind);

  return {
    /** PEM. */
    privateKey: (githubAppId: string) => active(githubAppId, 'private_key'),
    clientSecret: (githubAppId: string) => active(githubAppId, 'client_secret'),

    /** Of one version, whatever its status, until it is purged. */
    async secretOf(credentialId: string, version: number): Promise<string | undefined> {
      const owner = await db('credentials').where({ id: credentialId }).first();
      const row = await db('credential_versions').where({ credential_id: credentialId, version }).first();
      return owner && row?.sealed ? open(owner, row) : undefined;
    },

    /** A version that nothing uses yet, though webhooks that are signed with it verify. Answers its number. */
    async addPending(
      { id: credentialId, orgId, kind: field }: Pick<Credential, 'id' | 'orgId' | 'kind'>,
      secret: string,
    ): Promise<number> {
      const now = Date.now();
      const versions = db('credential_versions').where({ credential_id: credentialId });
      const newest = await versions.orderBy('version', 'desc').first('version');
      const version = (newest?.version ?? 0) + 1;
      const { sealed, keyId } = keyring.seal(secret, { orgId, credentialId, version, field });
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

    /** Forgets the secret of a version that keeps its status: one that was refused may be good for something else. */
    async blank(credentialId: string, version: number): Promise<void> {
      const owner = await db('credentials').where({ id: credentialId }).first();
      if (!owner) return;
      const { sealed, keyId } = keyring.seal('', {
        orgId: owner.org_id,
        credentialId,
        version,
        field: owner.kind,
      });
      await db('credential_versions')
        .where({ credential_id: credentialId, version })
        .whereNot({ status: 'purged' })
        .update({ sealed, key_id: keyId });
    },

    /** Every secret that a webhook of this App may be signed with right now. */
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
      return rows.map((row) => open(owner, row));
    },

    /** Makes `secret` the active version; see `sealedSecrets`. */
    put: (githubAppId: string, orgId: string | null, kind: GithubSecretKind, secret: string): Promise<boolean> =>
      secrets.put({ githubAppId }, orgId, kind, secret),
  };
}
