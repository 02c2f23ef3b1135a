import { createHash, hkdfSync, randomBytes } from 'node:crypto';
import nacl from 'tweetnacl';

/**
 * The record that a secret belongs to. A ciphertext opens only with the same context. It does not open in another
 * record, or after the record is given to another owner.
 */
export type SealContext = {
  /** The organization in the record's own row. */
  orgId: string | null;
  /**
   * Everything that identifies the owner, as the owner's own row says: its id, its organization, and where the secret
   * is used. The id comes first, and names the owner in incidents.
   */
  owner: readonly [string, ...(string | null)[]];
  /** The id of the record. */
  credentialId: string;
  version: number;
  field: string;
};

export type Keyring = {
  /** The id of the key that seals. */
  currentKeyId: string;
  keyIds: string[];
  seal(plain: string, context: SealContext): { sealed: string; keyId: string };
  /** Throws `UnreadableSecret` if the key is missing or the ciphertext belongs to another record. */
  open(sealed: string, context: SealContext): string;
  /** Calls `listener` for each secret that does not open. */
  onUnreadable(listener: (secret: UnreadableSecret) => void): void;
};

export class SealError extends Error {
  override name = 'SealError';
}

/** A stored secret that does not open. The message says what the operator must do, and contains no secret. */
export class UnreadableSecret extends SealError {
  override name = 'UnreadableSecret';
  readonly code = 'secret_unreadable';
  readonly context: SealContext;
  /** The master key that is not configured. Undefined if the key is there, and the row was changed or moved. */
  readonly missingKeyId: string | undefined;

  constructor(context: SealContext, missingKeyId?: string) {
    const owner = context.owner[0];
    super(
      missingKeyId === undefined
        ? `A stored secret of ${owner} does not open: its row was changed or moved. The operator must restore the row from a backup, or the secret must be stored again.`
        : `A stored secret of ${owner} needs the master key "${missingKeyId}", which is not configured. The operator must add it to FAIRLEAD_MASTER_KEYS again.`,
    );
    this.context = context;
    this.missingKeyId = missingKeyId;
  }
}

export type MasterKey = { id: string; key: Uint8Array };

/** Every ciphertext begins with the version of the derivation of its key. */
export const sealVersion = 'v2';

/**
 * Seals secrets with NaCl's secretbox, which has no associated data. So each record gets its own key, derived from the
 * master key and the record's context with HKDF-SHA-512. The first master key seals; all of them open.
 */
export function createKeyring(masterKeys: readonly MasterKey[]): Keyring {
  const [current] = masterKeys;
  if (!current) throw new SealError('There is no master key');
  const byId = new Map(masterKeys.map(({ id, key }) => [id, key]));
  const listeners: ((secret: UnreadableSecret) => void)[] = [];

  function unreadable(context: SealContext, missingKeyId?: string): UnreadableSecret {
    const secret = new UnreadableSecret(context, missingKeyId);
    for (const listener of listeners) listener(secret);
    return secret;
  }

  return {
    currentKeyId: current.id,
    keyIds: [...byId.keys()],
    seal(plain, context) {
      const nonce = randomBytes(nacl.secretbox.nonceLength);
      const box = nacl.secretbox(Buffer.from(plain, 'utf8'), nonce, recordKey(current.key, context));
      const text = Buffer.concat([nonce, box]).toString('base64');
      return { sealed: `${sealVersion}.${current.id}.${text}`, keyId: current.id };
    },
    open(sealed, context) {
      const [version, keyId, text] = sealed.split('.');
      if (version !== sealVersion || !keyId || !text) throw unreadable(context);
      const key = byId.get(keyId);
      if (!key) throw unreadable(context, keyId);
      const bytes = Buffer.from(text, 'base64');
      const nonce = bytes.subarray(0, nacl.secretbox.nonceLength);
      const box = bytes.subarray(nacl.secretbox.nonceLength);
      const plain = box.length > 0 ? nacl.secretbox.open(box, nonce, recordKey(key, context)) : null;
      if (plain === null) throw unreadable(context);
      return Buffer.from(plain).toString('utf8');
    },
    onUnreadable(listener) {
      listeners.push(listener);
    },
  };
}

function recordKey(master: Uint8Array, { orgId, owner, credentialId, version, field }: SealContext): Uint8Array {
  // JSON keeps the parts apart, so that two contexts never have the same text.
  const info = `${sealVersion}|${JSON.stringify([orgId, owner, credentialId, version, field])}`;
  // Node limits the info of HKDF to 1024 bytes.
  const hashed = createHash('sha512').update(info).digest();
  return new Uint8Array(hkdfSync('sha512', master, new Uint8Array(0), hashed, nacl.secretbox.keyLength));
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
