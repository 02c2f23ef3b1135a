import { createPrivateKey } from 'node:crypto';
import type { Canary } from '../canaries.ts';

/** The numbers of an RSA key that only its owner knows. `n` and `e` are public, and published as such. */
const privateNumbers = ['d', 'p', 'q', 'dp', 'dq', 'qi'] as const;
/** Of a 2048-bit key in PEM: the lines before hold the modulus. */
const publicLines = 7;

/**
 * A private key as it may turn up: a line of its PEM, whichever of the two kinds it was given in, or one of its numbers,
 * raw as in DER or in base64url as in a JWK.
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
