import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { guessableKey } from '../../domain/secrets/guessable-secret.ts';
import { type MasterKey, SealError } from './sealing.ts';

/**
 * Returns the configured master keys, or the key in the data directory. Creates a key (mode 0600) only if there is no
 * database yet. A database whose key is missing never gets another key.
 */
export function embeddedMasterKeys(
  configured: MasterKey[] | undefined,
  { dataDir, databaseFile }: { dataDir: string; databaseFile: string },
): { keys: MasterKey[]; madeFile?: string } {
  if (configured) return { keys: configured };
  const file = path.join(dataDir, 'master.key');
  if (existsSync(file)) return { keys: [parse(readFileSync(file, 'utf8'), file)] };
  if (existsSync(databaseFile)) {
    throw new SealError(
      `${databaseFile} is there, but ${file} with the key to its secrets is not: restore it, or set FAIRLEAD_MASTER_KEYS`,
    );
  }
  const text = `k1:${randomBytes(32).toString('base64')}\n`;
  writeFileSync(file, text, { mode: 0o600, flag: 'wx' });
  return { keys: [parse(text, file)], madeFile: file };
}

function parse(text: string, file: string): MasterKey {
  const [id = '', encoded = ''] = text.trim().split(':');
  const key = new Uint8Array(Buffer.from(encoded, 'base64'));
  const why = key.length === 32 ? guessableKey(key) : undefined;
  if (why) {
    throw new SealError(
      `The key in ${file} is easy to guess: it ${why}. Use a new data directory, or restore the key that Fairlead created`,
    );
  }
  if (id && key.length === 32) return { id, key };
  throw new SealError(`${file} does not hold a master key (id:base64 of 32 bytes): restore it from your backup`);
}
