import { newId } from '../../domain/ids.ts';
import type { Db } from '../store/connection.ts';
import type { Keyring } from '../store/sealing.ts';
import type { CredentialRow, CredentialVersionRow } from '../store/tables.ts';

/** Whose secret it is. */
export type SecretOwner = { githubAppId: string } | { integrationId: string } | { cloudAccountId: string };

/** The sealed secrets of whatever has some. What it answers is plain text: it stays with whoever asked, for one use. */
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
   * Makes `secret` the active version, unless it already is. The one before it is retiring: what was signed with it,
   * or is under way with it, may still be good. Answers whether anything changed.
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

    /** The one in use. */
    async active(owner: SecretOwner, kind: string): Promise<string | undefined> {
      const credential = await find(owner, kind);
      if (!credential) return undefined;
      const row = await db('credential_versions').where({ credential_id: credential.id, status: 'active' }).first();
      return row && open(credential, row);
    },

    put,

    /**
     * The same for what is opened for one use and then forgotten: the one before it is destroyed at once, for nobody
     * is left who comes back for it.
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
