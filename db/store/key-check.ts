import type { Database } from './connection.ts';
import { type Keyring, type MasterKey, type SealContext, SealError } from './sealing.ts';

const check = 'fairlead';
/** The prefix of the rows that prove the master keys. */
export const keyCheck = 'key-check/';
const contextOf = (keyId: string): SealContext => ({
  orgId: null,
  owner: ['instance'],
  credentialId: 'key-check',
  version: 1,
  field: keyId,
});

/**
 * Proves at start that each configured master key is the one that this database knows by its ID. The first start with a
 * key stores its proof. A different key with a known ID is rejected before it can seal or lose anything.
 */
export async function checkKeys(
  database: Database,
  keys: readonly MasterKey[],
  createKeyring: (keys: readonly MasterKey[]) => Keyring,
): Promise<void> {
  for (const key of keys) {
    const keyring = createKeyring([key]);
    const name = `${keyCheck}${key.id}`;
    const sealed = keyring.seal(check, contextOf(key.id)).sealed;
    await database.write(async (trx) => {
      await trx('instance').insert({ key: name, value: sealed }).onConflict('key').ignore();
    });
    const stored = await database.reader('instance').where({ key: name }).first();
    try {
      if (stored && keyring.open(stored.value, contextOf(key.id)) === check) continue;
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
    }
    throw new SealError(
      `The master key "${key.id}" is not the one that sealed this database's secrets: set FAIRLEAD_MASTER_KEYS (or restore data/master.key) to the key it was made with`,
    );
  }
  await refuseMissingKeys(database, new Set(keys.map(({ id }) => id)));
}

async function refuseMissingKeys(database: Database, configured: Set<string>): Promise<void> {
  const used: { key_id: string | null }[] = [];
  for (const table of ['credential_versions', 'signing_keys', 'minted_tokens', 'audit_keys'] as const) {
    used.push(...(await database.reader(table).distinct('key_id').whereNotNull('key_id')));
  }
  const missing = used.find(({ key_id }) => key_id !== null && !configured.has(key_id));
  if (!missing) return;
  throw new SealError(
    `Secrets in this database are sealed with the master key "${missing.key_id}", which FAIRLEAD_MASTER_KEYS does not list`,
  );
}
