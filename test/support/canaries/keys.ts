import { createPrivateKey } from 'node:crypto';
import type { Canary } from './canaries.ts';

/** The private numbers of an RSA key. `n` and `e` are public. */
const privateNumbers = ['d', 'p', 'q', 'dp', 'dq', 'qi'] as const;
/** The first lines of a 2048-bit key in PEM hold the modulus, which is public. */
const publicLines = 7;

/**
 * Returns the parts by which the sweep finds a private key: each line of its PEM, as PKCS#1 and as PKCS#8, and each of
 * its private numbers, raw as in DER and in base64url as in a JWK.
 */
export function keyCanaries(what: string, pem: string): Canary[] {
  const key = createPrivateKey(pem);
  const jwk = key.export({ format: 'jwk' });
  const lines = (['pkcs1', 'pkcs8'] as const).flatMap((type) =>
    String(key.export({ type, format: 'pem' }))
      .split('\n')
      .filter((line) => /^[\w+/=]{60,}$/.test(line))
      .slice(publicLines),
  );
  return [
    ...lines.map((value) => ({ name: `a line of ${what}`, value })),
    ...privateNumbers.map((name) => ({
      name: `the number ${name} of ${what}`,
      value: Buffer.from(String(jwk[name]), 'base64url'),
    })),
  ];
}
