import { newId } from '../../domain/ids.ts';
import type { Db } from '../store/connection.ts';
import type { Keyring } from '../store/sealing.ts';
import type { CredentialRow, CredentialVersionRow } from '../store/tables.ts';

/** The record that the secret belongs to. */
export type SecretOwner = { githubAppId: string } | { integrationId: string } | { cloudAccountId: string };

/**
 * Stores the sealed secrets of Apps, integrations and cloud accounts. It returns plain text: use it once, and keep it
 * nowhere.
 */
export function sealedSecrets(db: Db, keyring: Keyring) {
  async function find(owner: SecretOwner, kind: string): Promise<CredentialRow | undefined> {
    return db('credentials')
      .where({ ...columnOf(owner), kind })
      .first();
  }

  function open({ id, org_id, kind }: CredentialRow, { sealed, version }: CredentialVersionRow): string {
    return keyring.open(sealed ?? '', { orgId: org_id, credentialId: id, version, field: kind });
  }

  /**
   * Makes `secret` the active version, unless it already is. The version before it becomes retiring, because a
   * signature or a request that uses it may still be on its way. Returns whether anything changed.
   */
  async function put(owner: SecretOwner, orgId: string | null, kind: string, secret: string): Promise<boolean> {
    const now = Date.now();
    await db('credentials')
      .insert({
        id: newId('cred'),
        org_id: orgId,
        github_app_id: null,
        integration_id: null,
        cloud_account_id: null,
        ...columnOf(owner),
        kind,
        created_at: now,
        updated_at: now,
      })
      .onConflict()
      .ignore();
    const credential = (await find(owner, kind)) as CredentialRow;
    const { id } = credential;
    const versions = await db('credential_versions').where({ credential_id: id }).orderBy('version', 'desc');
    const current = versions.find(({ status }) => status === 'active');
    if (current && open(credential, current) === secret) return false;

    const before = versions.filter(({ status }) => status === 'retiring').map((one) => one.id);
    await db('credential_versions')
      .whereIn('id', before)
      .update({ status: 'purged', sealed: null, key_id: null, updated_at: now });
    if (current)
      await db('credential_versions').where({ id: current.id }).update({ status: 'retiring', updated_at: now });
    const version = (versions[0]?.version ?? 0) + 1;
    const { sealed, keyId } = keyring.seal(secret, { orgId, credentialId: id, version, field: kind });
    await db('credential_versions').insert({
      id: newId('crv'),
      credential_id: id,
      version,
      status: 'active',
      sealed,
      key_id: keyId,
      created_at: now,
      updated_at: now,
    });
    return true;
  }

  return {
    find,
    open,

    /** Returns the active secret. */
    async active(owner: SecretOwner, kind: string): Promise<string | undefined> {
      const credential = await find(owner, kind);
      if (!credential) return undefined;
      const row = await db('credential_versions').where({ credential_id: credential.id, status: 'active' }).first();
      return row && open(credential, row);
    },

    put,

    /**
     * Replaces a secret that is opened for one use and not kept. Destroys the version before it at once, because
     * nothing needs it later.
     */
    async replace(owner: SecretOwner, orgId: string | null, kind: string, secret: string): Promise<boolean> {
      if (!(await put(owner, orgId, kind, secret))) return false;
      const credential = await find(owner, kind);
      await db('credential_versions')
        .where({ credential_id: credential?.id ?? '', status: 'retiring' })
        .update({ status: 'purged', sealed: null, key_id: null, updated_at: Date.now() });
      return true;
    },
  };
}

function columnOf(owner: SecretOwner) {
  if ('githubAppId' in owner) return { github_app_id: owner.githubAppId };
  if ('integrationId' in owner) return { integration_id: owner.integrationId };
  return { cloud_account_id: owner.cloudAccountId };
}
