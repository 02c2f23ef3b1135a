import { createHash, hkdfSync, randomBytes } from 'node:crypto';
import nacl from 'tweetnacl';

/** The record that a secret belongs to. A ciphertext that is copied to another record does not open there. */
export type SealContext = { orgId: string | null; credentialId: string; version: number; field: string };

export type Keyring = {
  /** The id of the key that seals. */
  currentKeyId: string;
  keyIds: string[];
  seal(plain: string, context: SealContext): { sealed: string; keyId: string };
  /** Throws `SealError` if the key is missing or the ciphertext belongs to another record. */
  open(sealed: string, context: SealContext): string;
};

export class SealError extends Error {
  override name = 'SealError';
}

export type MasterKey = { id: string; key: Uint8Array };

/**
 * Seals secrets with NaCl's secretbox, which has no associated data. So each record gets its own key, derived from the
 * master key and the record's context with HKDF-SHA-512. The first master key seals; all of them open.
 */
export function createKeyring(masterKeys: readonly MasterKey[]): Keyring {
  const [current] = masterKeys;
  if (!current) throw new SealError('There is no master key');
  const byId = new Map(masterKeys.map(({ id, key }) => [id, key]));

  return {
    currentKeyId: current.id,
    keyIds: [...byId.keys()],
    seal(plain, context) {
      const nonce = randomBytes(nacl.secretbox.nonceLength);
      const box = nacl.secretbox(Buffer.from(plain, 'utf8'), nonce, recordKey(current.key, context));
      return { sealed: `${current.id}.${Buffer.concat([nonce, box]).toString('base64')}`, keyId: current.id };
    },
    open(sealed, context) {
      const dot = sealed.indexOf('.');
      const keyId = sealed.slice(0, Math.max(dot, 0));
      const key = byId.get(keyId);
      if (!key) throw new SealError(`The master key "${keyId}" that sealed this secret is not configured`);
      const bytes = Buffer.from(sealed.slice(dot + 1), 'base64');
      const nonce = bytes.subarray(0, nacl.secretbox.nonceLength);
      const box = bytes.subarray(nacl.secretbox.nonceLength);
      const plain = box.length > 0 ? nacl.secretbox.open(box, nonce, recordKey(key, context)) : null;
      if (plain === null) throw new SealError('The sealed secret does not open: it was changed, or belongs elsewhere');
      return Buffer.from(plain).toString('utf8');
    },
  };
}

function recordKey(master: Uint8Array, { orgId, credentialId, version, field }: SealContext): Uint8Array {
  const info = `v1|${orgId ?? '-'}|${credentialId}|${version}|${field}`;
  return new Uint8Array(hkdfSync('sha512', master, new Uint8Array(0), info, nacl.secretbox.keyLength));
}

/** Returns 32 random bytes after a prefix that shows the kind of secret, also to scanners for leaked secrets. */
export function newSecret(prefix: 'flt_' | 'fls_' | ''): string {
  return prefix + randomBytes(32).toString('base64url');
}

/**
 * Hashes a secret of 256 random bits with plain SHA-256. Such a secret cannot be guessed, so a salt or a slow hash adds
 * nothing.
 */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}
