import { createHmac, createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import type { Knex } from 'knex';
import type { Database } from './connection.ts';
import type { Keyring, SealContext } from './sealing.ts';

/** The keys that sign the audit log. They are random, and are stored sealed by the master key. */
export type AuditKeys = {
  /** Returns `<key id>.<HMAC-SHA-256>` over the values, made with the newest key. */
  sign(values: readonly unknown[]): string;
  /** Returns whether `signature` was made over the values with the key that it names. */
  verify(signature: string | null, values: readonly unknown[]): boolean;
  has(keyId: string): boolean;
};

export function createAuditKeys(currentId: string, keys: ReadonlyMap<string, Uint8Array>): AuditKeys {
  const byId = new Map<string, KeyObject>([...keys].map(([id, key]) => [id, createSecretKey(key)]));
  const current = byId.get(currentId);
  if (!current) throw new Error(`There is no audit key ${currentId}`);
  const digest = (key: KeyObject, values: readonly unknown[]) =>
    createHmac('sha256', key).update(JSON.stringify(values)).digest('hex');
  return {
    sign: (values) => `${currentId}.${digest(current, values)}`,
    verify(signature, values) {
      const keyId = keyIdIn(signature);
      const key = byId.get(keyId);
      return key !== undefined && signature === `${keyId}.${digest(key, values)}`;
    },
    has: (keyId) => byId.has(keyId),
  };
}

/** Returns the id of the key that a signature names. */
export function keyIdIn(signature: string | null): string {
  return signature?.split('.')[0] ?? '';
}

/**
 * Opens the audit keys. Creates one for the current master key if it has none. Seals the older ones again under the
 * current master key. After you retire a master key, old chains therefore still verify.
 */
export async function openAuditKeys(database: Database, keyring: Keyring): Promise<AuditKeys> {
  const { currentKeyId } = keyring;
  const seal = (id: string, plain: string) => {
    const { sealed, keyId } = keyring.seal(plain, contextOf(id));
    return { sealed, key_id: keyId };
  };
  await database.write(async (trx) => {
    const fresh = {
      id: currentKeyId,
      ...seal(currentKeyId, randomBytes(32).toString('base64')),
      created_at: Date.now(),
    };
    await trx('audit_keys').insert(fresh).onConflict('id').ignore();
    for (const { id, sealed, key_id } of await trx('audit_keys').whereNot({ key_id: currentKeyId })) {
      await trx('audit_keys')
        .where({ id, key_id })
        .update(seal(id, keyring.open(sealed, contextOf(id))));
    }
  });
  const rows = await database.reader('audit_keys');
  const keys = rows.map(({ id, sealed }) => [id, Buffer.from(keyring.open(sealed, contextOf(id)), 'base64')] as const);
  return createAuditKeys(currentKeyId, new Map(keys));
}

function contextOf(id: string): SealContext {
  return { orgId: null, owner: ['instance'], credentialId: 'audit-key', version: 1, field: id };
}

/** Gives the keys to every pool and transaction of the database. */
export function useAuditKeys(database: Database, keys: AuditKeys): void {
  for (const pool of [database.reader, database.migrationPool])
    pool.userParams = { ...pool.userParams, auditKeys: keys };
}

/** Returns the keys that `useAuditKeys` has set. Without them, nothing can be written to the audit log. */
export function auditKeysOf(db: Knex): AuditKeys {
  const keys = db.userParams['auditKeys'] as AuditKeys | undefined;
  if (!keys) throw new Error('This database was opened without its audit keys');
  return keys;
}
