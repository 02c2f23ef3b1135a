import { newId } from '../../domain/ids.ts';
import type { Db } from '../store/connection.ts';
import { type Keyring, type SealContext, UnreadableSecret } from '../store/sealing.ts';
import type { CredentialRow, CredentialVersionRow } from '../store/tables.ts';
import { credentialsIn, type InactiveVersion } from './credentials.ts';

/** The record that the secret belongs to. */
export type SecretOwner = { githubAppId: string } | { integrationId: string } | { cloudAccountId: string };

type NewVersion = {
  credentialId: string;
  version: number;
  status: 'active' | 'pending';
  sealed: string;
  keyId: string;
  login?: InactiveVersion;
};

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

  async function open(credential: CredentialRow, { sealed, version }: CredentialVersionRow): Promise<string> {
    return keyring.open(sealed ?? '', await sealContextOf(db, credential, version));
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
    const old = current && (await ifReadable(open(credential, current)));
    if (old === secret) return false;

    const before = versions.filter(({ status }) => status === 'retiring').map((one) => one.id);
    // Nothing can use an active version that does not open, so it ends at once.
    if (current && old === undefined) before.push(current.id);
    await db('credential_versions')
      .whereIn('id', before)
      .update({ status: 'purged', sealed: null, key_id: null, updated_at: now });
    if (current && old !== undefined)
      await db('credential_versions').where({ id: current.id }).update({ status: 'retiring', updated_at: now });
    const version = (versions[0]?.version ?? 0) + 1;
    const { sealed, keyId } = keyring.seal(secret, await sealContextOf(db, credential, version));
    await insert({ credentialId: id, version, status: 'active', sealed, keyId });
    return true;
  }

  async function withStatus(
    owner: SecretOwner,
    kind: string,
    status: 'pending' | 'active' | 'retiring',
  ): Promise<(CredentialVersionRow & { secret: string }) | undefined> {
    const credential = await find(owner, kind);
    if (!credential) return undefined;
    const row = await credentialsIn(db).newestWith(credential.id, status);
    return row && { ...row, secret: await open(credential, row) };
  }

  async function blank(credentialId: string, version: number): Promise<void> {
    const owner = await db('credentials').where({ id: credentialId }).first();
    if (!owner) return;
    const { sealed, keyId } = keyring.seal('', await sealContextOf(db, owner, version));
    await db('credential_versions')
      .where({ credential_id: credentialId, version })
      .whereNot({ status: 'purged' })
      .update({ sealed, key_id: keyId });
  }

  async function insert({ credentialId, version, status, sealed, keyId, login }: NewVersion): Promise<void> {
    const now = Date.now();
    await db('credential_versions').insert({
      id: newId('crv'),
      credential_id: credentialId,
      version,
      status,
      sealed,
      key_id: keyId,
      username: login?.username ?? null,
      expires_at: login?.expiresAt ?? null,
      created_at: now,
      updated_at: now,
    });
  }

  return {
    find,
    open,

    /** Returns the active secret. */
    async active(owner: SecretOwner, kind: string): Promise<string | undefined> {
      return (await withStatus(owner, kind, 'active'))?.secret;
    },

    put,

    /** Returns the secret of one version in any status, until it is purged. */
    async secretOf(credentialId: string, version: number): Promise<string | undefined> {
      const owner = await db('credentials').where({ id: credentialId }).first();
      const row = await db('credential_versions').where({ credential_id: credentialId, version }).first();
      return owner && row?.sealed ? open(owner, row) : undefined;
    },

    /** Adds a version that is not in use yet, and returns its number. */
    async addPending(credentialId: string, secret: string, login?: InactiveVersion): Promise<number> {
      const owner = await db('credentials').where({ id: credentialId }).first();
      if (!owner) throw new Error(`There is no credential ${credentialId}`);
      const versions = db('credential_versions').where({ credential_id: credentialId });
      const newest = await versions.orderBy('version', 'desc').first('version');
      const version = (newest?.version ?? 0) + 1;
      const { sealed, keyId } = keyring.seal(secret, await sealContextOf(db, owner, version));
      await insert({ credentialId, version, status: 'pending', sealed, keyId, ...(login && { login }) });
      return version;
    },

    /** Opens the newest version with this status. */
    withStatus,

    /** Destroys the secret of a version but keeps its status. A secret that was rejected might be valid elsewhere. */
    blank,

    /** Rejects a version that was not proven, and destroys its secret. */
    async reject(credentialId: string, version: number): Promise<void> {
      if (await credentialsIn(db).move(credentialId, version, 'rejected')) await blank(credentialId, version);
    },

    /**
     * Replaces a secret that is opened for one use and not kept. Destroys the version before it at once, because
     * nothing needs it later.
     */
    async replace(owner: SecretOwner, orgId: string | null, kind: string, secret: string): Promise<boolean> {
      if (!(await put(owner, orgId, kind, secret))) return false;
      const credential = await find(owner, kind);
      if (credential) await credentialsIn(db).purge(credential.id, 'retiring');
      return true;
    },
  };
}

/** Returns undefined if the secret does not open. The keyring has then reported it. */
export async function ifReadable<Result>(opening: Promise<Result>): Promise<Result | undefined> {
  return opening.catch((error: unknown) => {
    if (error instanceof UnreadableSecret) return undefined;
    throw error;
  });
}

/**
 * Returns what the secret is sealed for. The organization comes from the owner's own row. Prevents an attacker from
 * giving a credential row to the owner of another organization.
 */
export async function sealContextOf(db: Db, credential: CredentialRow, version: number): Promise<SealContext> {
  const { id, org_id: orgId, kind } = credential;
  const [table, ownerId] = ownerOf(credential);
  const owner = await db(table).where({ id: ownerId }).first('org_id');
  return { orgId, owner: [ownerId, owner?.org_id ?? null], credentialId: id, version, field: kind };
}

function ownerOf(row: CredentialRow): ['github_apps' | 'integrations' | 'cloud_accounts', string] {
  if (row.github_app_id !== null) return ['github_apps', row.github_app_id];
  if (row.integration_id !== null) return ['integrations', row.integration_id];
  return ['cloud_accounts', row.cloud_account_id ?? ''];
}

function columnOf(owner: SecretOwner) {
  if ('githubAppId' in owner) return { github_app_id: owner.githubAppId };
  if ('integrationId' in owner) return { integration_id: owner.integrationId };
  return { cloud_account_id: owner.cloudAccountId };
}
