import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'vitest';
import { signingKeysIn } from '../../../db/clouds/signing-keys.ts';
import type { Database } from '../../../db/store/connection.ts';
import { embeddedMasterKeys } from '../../../db/store/master-key.ts';
import { createKeyring } from '../../../db/store/sealing.ts';
import type { Canary } from './canaries.ts';
import type { Day } from './day.ts';
import { keyCanaries } from './keys.ts';

/** Returns the master key and the issuer's signing key. The product never returns the latter, so this decrypts it. */
export async function keysOfInstance({ product: { dataDir }, me }: Day, database: Database): Promise<Canary[]> {
  const { keys } = embeddedMasterKeys(undefined, { dataDir, databaseFile: path.join(dataDir, 'fairlead.db') });
  const signer = await signingKeysIn(database.reader).signer(createKeyring(keys), Date.now());
  if (!signer) throw new Error('Nothing was signed');
  const jwks = await me.ask<{ keys: { n: string }[] }>('GET', '/.well-known/jwks.json');
  const { n } = createPublicKey(createPrivateKey(signer.privatePem)).export({ format: 'jwk' });
  expect(jwks.keys.map((key) => key.n)).toContain(n);
  const master = readFileSync(path.join(dataDir, 'master.key'), 'utf8').trim().split(':').at(-1) ?? '';
  return [
    { name: 'the master key', value: master },
    { name: 'the master key’s bytes', value: Buffer.from(master, 'base64') },
    ...keyCanaries('the issuer’s key', signer.privatePem),
  ];
}
