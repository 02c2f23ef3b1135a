import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { inject } from 'vitest';

/** Both halves as PEM: PKCS#1 and SPKI, the formats that GitHub uses. */
export type KeyPair = { privateKey: string; publicKey: string };

const generate = promisify(generateKeyPair);

/** The pool is larger than the number of keys in any one test, so a test never gets the same key twice. */
const poolSize = 24;

/**
 * Returns the RSA keys that all tests share. Making one takes up to a second, so a checkout makes them once and keeps
 * them in `.cache/`. They protect nothing.
 */
export async function keyPool(): Promise<KeyPair[]> {
  const file = path.join(import.meta.dirname, '..', '..', '.cache', `test-keys-${poolSize}.json`);
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as KeyPair[];
  } catch {
    const pool = await Promise.all(Array.from({ length: poolSize }, makeKeyPair));
    mkdirSync(path.dirname(file), { recursive: true });
    const temporary = `${file}.${process.pid}`;
    writeFileSync(temporary, JSON.stringify(pool), { mode: 0o600 });
    renameSync(temporary, file);
    return pool;
  }
}

function makeKeyPair(): Promise<KeyPair> {
  return generate('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
}

let taken = 0;

/** Returns the next key of the pool. */
export function rsaKeyPair(): KeyPair {
  const pool = inject('keyPairs');
  const pair = pool[taken++ % pool.length];
  if (!pair) throw new Error('The run has made no keys');
  return pair;
}

/** Returns the next key as key objects, for callers that need another format. */
export function rsaKeyObjects(): Record<'privateKey' | 'publicKey', KeyObject> {
  const { privateKey, publicKey } = rsaKeyPair();
  return { privateKey: createPrivateKey(privateKey), publicKey: createPublicKey(publicKey) };
}
