import { createHmac, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';

const form = /^sha256=[0-9a-f]{64}$/;

/**
 * The hexadecimal digest of an `X-Hub-Signature-256`. Undefined unless it has exactly GitHub's form, which is decided
 * before anything is hashed: the older SHA-1 header is not looked at, and Node joins a header that comes twice with a
 * comma, which has not this form either.
 */
export function signatureDigest(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' && form.test(header) ? header.slice('sha256='.length) : undefined;
}

/** Hashing with this one takes as long as with a real one, and nothing verifies. */
const nobodysKey = createSecretKey(randomBytes(32));

/** Whether one of the keys made this digest of these bytes. Without a key it takes as long and is false. */
export function isSignedBy(keys: readonly KeyObject[], body: Buffer, digest: string): boolean {
  const given = Buffer.from(digest, 'hex');
  let verified = false;
  for (const key of keys.length > 0 ? keys : [nobodysKey]) {
    const expected = createHmac('sha256', key).update(body).digest();
    if (timingSafeEqual(expected, given) && key !== nobodysKey) verified = true;
  }
  return verified;
}
