import {
  privateHalfGoneBefore,
  removedBefore,
  successorIsDue,
  successorSignsFrom,
} from '../../domain/clouds/signing-key-life.ts';
import { newId } from '../../domain/ids.ts';
import { appendAudit } from '../ops/audit.ts';
import type { Db, Transaction } from '../store/connection.ts';
import { locked } from '../store/locks.ts';
import type { Keyring, SealContext } from '../store/sealing.ts';
import type { SigningKeyRow } from '../store/tables.ts';

export type NewSigningKey = { kid: string; alg: 'RS256'; publicJwk: Record<string, unknown>; privatePem: string };

export type PublicSigningKey = Pick<NewSigningKey, 'kid' | 'publicJwk'> & { alg: string };

/**
 * The keys with which Fairlead signs tokens as an issuer. The keys and their audit entries belong to the instance, not
 * to a tenant.
 */
export function signingKeysIn(db: Db) {
  const alive = () => db('signing_keys').whereNull('removed_at');
  return {
    /** Returns the keys that a still valid token might be signed with, and the key that signs next. */
    async published(): Promise<PublicSigningKey[]> {
      const rows = await alive().orderBy('published_at');
      return rows.map(({ kid, alg, public_jwk }) => ({ kid, alg, publicJwk: JSON.parse(public_jwk) }));
    },

    /** Returns when the newest key begins to sign, if there is a key. */
    async newestSignsFrom(): Promise<number | undefined> {
      return (await db('signing_keys').whereNull('signs_until').first('signs_from'))?.signs_from;
    },

    /** Throws if this private key does not open. Returns true if it opens, or if there is no such key. */
    async isReadable(keyring: Keyring, id: string): Promise<true> {
      const row = await db('signing_keys').where({ id }).whereNotNull('sealed').first();
      if (row) keyring.open(row.sealed ?? '', sealContext(row));
      return true;
    },

    /** Returns the key to sign with. The caller must not keep the private key after that use. */
    async signer(keyring: Keyring, now: number): Promise<{ kid: string; alg: string; privatePem: string } | undefined> {
      const rows = await alive().whereNotNull('sealed').orderBy('signs_from', 'desc');
      // If the clock was set back, no key signs yet. Then the oldest key is the most widely known.
      const row = rows.find(({ signs_from }) => signs_from <= now) ?? rows.at(-1);
      return row && { kid: row.kid, alg: row.alg, privatePem: keyring.open(row.sealed ?? '', sealContext(row)) };
    },
  };
}

/**
 * Stores the instance's first key, unless another process was faster. It signs at once, because no other key is known.
 */
export async function addFirstSigningKey(
  trx: Transaction,
  keyring: Keyring,
  key: NewSigningKey,
  now: number,
): Promise<void> {
  const row = toRow(keyring, key, { published_at: now, signs_from: now });
  await trx('signing_keys').insert(row).onConflict().ignore();
  if (await trx('signing_keys').where({ id: row.id }).first('id')) await audit(trx, 'published', row);
}

/** Publishes the next key, unless it is no longer due. The previous key signs until the next one takes over. */
export async function addSuccessor(trx: Transaction, keyring: Keyring, key: NewSigningKey, now: number): Promise<void> {
  const newest = await locked(trx('signing_keys').whereNull('signs_until').first());
  if (!newest || !successorIsDue(newest.signs_from, now)) return;
  const signsFrom = successorSignsFrom(now);
  await trx('signing_keys').where({ id: newest.id }).update({ signs_until: signsFrom });
  const row = toRow(keyring, key, { published_at: now, signs_from: signsFrom });
  await trx('signing_keys').insert(row);
  await audit(trx, 'published', row);
}

/** Destroys the private key of each key that no longer signs, and withdraws published keys that no token needs. */
export async function endOldSigningKeys(trx: Transaction, now: number): Promise<void> {
  const ended = (before: number) => trx('signing_keys').where('signs_until', '<', before).whereNull('removed_at');
  for (const row of await ended(privateHalfGoneBefore(now)).whereNotNull('sealed')) {
    const changed = await trx('signing_keys')
      .where({ id: row.id })
      .whereNotNull('sealed')
      .update({ sealed: null, key_id: null });
    if (changed === 1) await audit(trx, 'retired', row);
  }
  for (const row of await ended(removedBefore(now))) {
    const changed = await trx('signing_keys').where({ id: row.id }).whereNull('removed_at').update({ removed_at: now });
    if (changed === 1) await audit(trx, 'removed', row);
  }
}

function toRow(
  keyring: Keyring,
  { kid, alg, publicJwk, privatePem }: NewSigningKey,
  times: Pick<SigningKeyRow, 'published_at' | 'signs_from'>,
): SigningKeyRow {
  const id = newId('key');
  const { sealed, keyId } = keyring.seal(privatePem, sealContext({ id, kid, alg }));
  return {
    id,
    kid,
    alg,
    public_jwk: JSON.stringify(publicJwk),
    sealed,
    key_id: keyId,
    ...times,
    signs_until: null,
    removed_at: null,
  };
}

/** The `kid` is the hash of the public key, so the private key opens only in the row with that `kid`. */
function sealContext({ id, kid, alg }: Pick<SigningKeyRow, 'id' | 'kid' | 'alg'>): SealContext {
  return { orgId: null, owner: [id, kid, alg], credentialId: id, version: 1, field: 'signing_key' };
}

async function audit(
  trx: Transaction,
  what: 'published' | 'retired' | 'removed',
  { id, kid }: Pick<SigningKeyRow, 'id' | 'kid'>,
): Promise<void> {
  await appendAudit(trx, { orgId: null, actor: 'system', action: `signing_key.${what}`, target: id, detail: { kid } });
}
