import { createHash, createPublicKey } from 'node:crypto';

/**
 * By which GitHub's settings show a private key, of which GitHub has only the public half: base64 of the SHA-256 of
 * the public key's SPKI in DER. Nothing where `pem` is no RSA key.
 */
export function keyFingerprint(pem: string): string | undefined {
  try {
    // Line breaks may be written as `\n`, as they are in an environment variable.
    const key = createPublicKey(pem.replaceAll('\\n', '\n'));
    if (key.asymmetricKeyType !== 'rsa') return undefined;
    return createHash('sha256')
      .update(key.export({ type: 'spki', format: 'der' }))
      .digest('base64');
  } catch {
    return undefined;
  }
}
