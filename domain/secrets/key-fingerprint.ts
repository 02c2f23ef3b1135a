import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';

/**
 * Returns the fingerprint with which GitHub's settings show a private key: base64 of the SHA-256 of the public key's
 * SPKI in DER. Undefined if `pem` is not an RSA private key.
 */
export function keyFingerprint(pem: string): string | undefined {
  try {
    const key = createPublicKey(createPrivateKey(pem));
    if (key.asymmetricKeyType !== 'rsa') return undefined;
    return createHash('sha256')
      .update(key.export({ type: 'spki', format: 'der' }))
      .digest('base64');
  } catch {
    return undefined;
  }
}
