import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import { calculateJwkThumbprint } from 'jose';
import {
  addFirstSigningKey,
  addSuccessor,
  endOldSigningKeys,
  type NewSigningKey,
  signingKeysIn,
} from '../../db/clouds/signing-keys.ts';
import type { Database } from '../../db/store/connection.ts';
import type { Keyring } from '../../db/store/sealing.ts';
import { successorIsDue } from '../../domain/clouds/signing-key-life.ts';

const generate = promisify(generateKeyPair);

/** RS256, which every cloud accepts. Azure accepts nothing else. */
async function makeSigningKey(): Promise<NewSigningKey> {
  const { publicKey, privateKey } = await generate('rsa', { modulusLength: 2048 });
  const publicJwk = publicKey.export({ format: 'jwk' }) as Record<string, unknown>;
  return {
    kid: await calculateJwkThumbprint(publicJwk),
    alg: 'RS256',
    publicJwk,
    privatePem: privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
  };
}

/** Creates the first key if there is none. If several processes do so at once, one key wins. */
export async function ensureSigningKey(database: Database, keyring: Keyring): Promise<void> {
  if ((await signingKeysIn(database.reader).newestSignsFrom()) !== undefined) return;
  // Before the transaction, so that no other writer waits for it.
  const key = await makeSigningKey();
  await database.write((trx) => addFirstSigningKey(trx, keyring, key, Date.now()));
}

/**
 * Publishes the next key a day before it signs, and ends expired keys. It may run at any time and in several processes
 * at once. An instance that has never signed anything has no key and gets none here.
 */
export async function rotateSigningKeys(database: Database, keyring: Keyring): Promise<void> {
  const now = Date.now();
  const newest = await signingKeysIn(database.reader).newestSignsFrom();
  if (newest === undefined) return;
  const next = successorIsDue(newest, now) ? await makeSigningKey() : undefined;
  await database.write(async (trx) => {
    if (next) await addSuccessor(trx, keyring, next, now);
    await endOldSigningKeys(trx, now);
  });
}
