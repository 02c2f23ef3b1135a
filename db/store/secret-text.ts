import { createHash, randomBytes } from 'node:crypto';

/** 32 random bytes behind a prefix that tells what it is, also to whoever scans for leaked secrets. */
export function newSecret(prefix: 'flt_' | 'fls_' | ''): string {
  return prefix + randomBytes(32).toString('base64url');
}

/** Secrets of 256 random bits are kept as a plain digest: there is nothing to guess that salt or work could slow. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}
