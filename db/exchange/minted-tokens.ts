import { newId } from '../../domain/ids.ts';
import { revokeTokenWorkflowId } from '../../domain/ops/workflow-ids.ts';
import { commandsIn } from '../store/commands.ts';
import type { Db } from '../store/connection.ts';
import { locked, shared } from '../store/locks.ts';
import { hashSecret, type Keyring, type SealContext } from '../store/sealing.ts';
import type { MintedTokenRow } from '../store/tables.ts';

export type NewMintedToken = {
  orgId: string;
  integrationId: string;
  /**
   * The installation through which the provider can revoke the token. Null if no provider can; then the token's text is
   * not stored.
   */
  installationId: string | null;
  token: string;
  expiresAt: number;
};

/** A token that might have to be revoked. Only its bearer can revoke it, so its text is needed. */
export type SealedToken = { id: string; githubAppId: string; token: string; expiresAt: number };

/**
 * How long a token might still be valid at GitHub after it expired here, because GitHub's clock might be behind ours.
 */
export const clockLeewayMs = 20 * 60_000;

/**
 * The tokens that a provider minted. They stay sealed in the database until they are revoked or expire, so that any
 * process can revoke them. For tokens that cannot be revoked only the row is stored; it stops them from being issued
 * again.
 */
export function mintedTokensIn(db: Db) {
  return {
    async insert(minted: NewMintedToken, keyring: Keyring): Promise<string> {
      const id = newId('mnt');
      const isRevocable = minted.installationId !== null;
      const text =
        isRevocable &&
        keyring.seal(
          minted.token,
          await contextOf(db, {
            id,
            org_id: minted.orgId,
            integration_id: minted.integrationId,
            installation_id: minted.installationId,
          }),
        );
      const row: MintedTokenRow = {
        id,
        org_id: minted.orgId,
        integration_id: minted.integrationId,
        installation_id: minted.installationId,
        // A stored password is issued many times, so its hash would not be unique.
        hash: isRevocable ? hashSecret(minted.token) : id,
        sealed: text ? text.sealed : null,
        key_id: text ? text.keyId : null,
        created_at: Date.now(),
        expires_at: minted.expiresAt,
        revoked_at: null,
      };
      await db('minted_tokens').insert(row);
      return id;
    },

    /** Returns whether the token may still be issued. Within a transaction it cannot be revoked until the commit. */
    async isGood(id: string): Promise<boolean> {
      const good = db('minted_tokens').where({ id, revoked_at: null }).first('id');
      return (await (db.isTransaction ? shared(good) : good)) !== undefined;
    },

    /** Returns the token's text, if Fairlead must still revoke it. */
    async open(id: string, keyring: Keyring): Promise<SealedToken | undefined> {
      const row = await db('minted_tokens').where({ id }).whereNotNull('sealed').whereNotNull('revoked_at').first();
      const installation =
        row &&
        (await db('installations')
          .where({ id: row.installation_id ?? '' })
          .first());
      if (!row?.sealed || !installation) return undefined;
      return {
        id,
        githubAppId: installation.github_app_id,
        token: keyring.open(row.sealed, await contextOf(db, row)),
        expiresAt: row.expires_at,
      };
    },

    /** Returns whether Fairlead must revoke the token, or has revoked it. */
    async isRetired(id: string): Promise<boolean> {
      return (await db('minted_tokens').where({ id }).whereNotNull('revoked_at').first('id')) !== undefined;
    },

    /**
     * Stops issuing these tokens, and requests the revocation of those that the provider can revoke. Tokens that
     * another lease still uses stay valid. Returns those that the provider must revoke.
     */
    async retire(ids: readonly string[]): Promise<string[]> {
      if (ids.length === 0) return [];
      // Locks them first, always in the same order. A concurrent lease on one of them is then issued before this, or
      // not at all.
      const locking = db('minted_tokens').whereIn('id', ids).whereNull('revoked_at').orderBy('id').select('id');
      const open = (await locked(locking)).map(({ id }) => id);
      const leased = await db('leases').whereIn('minted_token_id', open).where({ status: 'active' });
      const held = new Set(leased.map(({ minted_token_id: id }) => id));
      const ended: { id: string; sealed: string | null }[] = await db('minted_tokens')
        .whereIn(
          'id',
          open.filter((id) => !held.has(id)),
        )
        .update({ revoked_at: Date.now() })
        .returning(['id', 'sealed']);
      const retired = ended.filter(({ sealed }) => sealed !== null);
      const revocations = retired.map(async ({ id }) => ({
        ...(await revocationOf(db, id)),
        action: 'start' as const,
      }));
      await commandsIn(db).add(...(await Promise.all(revocations)));
      return retired.map(({ id }) => id);
    },

    /** Requests the revocation of a retired token again, if the provider has not confirmed the revocation. */
    async resumeRevocation(id: string): Promise<void> {
      const left = await db('minted_tokens')
        .where({ id })
        .whereNotNull('revoked_at')
        .whereNotNull('sealed')
        .first('id');
      if (left)
        await commandsIn(db).add({ ...(await revocationOf(db, id)), action: 'signal_with_start', signal: 'nudged' });
    },

    /** Deletes the text of a token that is no longer valid. */
    async forget(id: string): Promise<void> {
      await db('minted_tokens').where({ id }).update({ sealed: null, key_id: null });
    },
  };
}

async function revocationOf(db: Db, id: string) {
  const of = await db('minted_tokens')
    .join('installations', 'installations.id', 'minted_tokens.installation_id')
    .where('minted_tokens.id', id)
    .first('installations.account_login');
  return {
    workflow: 'revokeToken',
    workflowId: revokeTokenWorkflowId(id),
    input: { mintedTokenId: id },
    summary: `Revoke a token${of ? ` for ${of.account_login}` : ''} at its provider`,
  };
}

/** A token belongs to its integration, and to the GitHub App of its installation, which revokes it. */
async function contextOf(
  db: Db,
  row: Pick<MintedTokenRow, 'id' | 'org_id' | 'integration_id' | 'installation_id'>,
): Promise<SealContext> {
  const { id, org_id: orgId, integration_id: integrationId, installation_id: installationId } = row;
  const integration = await db('integrations').where({ id: integrationId }).first('org_id');
  const installation = await db('installations')
    .where({ id: installationId ?? '' })
    .first('github_app_id');
  return {
    orgId,
    owner: [integrationId, integration?.org_id ?? null, installationId, installation?.github_app_id ?? null],
    credentialId: id,
    version: 1,
    field: 'installation_token',
  };
}
