import { randomFillSync } from 'node:crypto';

/** Every kind of thing with an id, with the prefix of the id. */
export const idPrefixes = {
  organization: 'org',
  project: 'prj',
  app: 'app',
  pipeline: 'pip',
  build: 'bld',
  integration: 'int',
  githubApp: 'gha',
  installation: 'ins',
  flow: 'flow',
  repository: 'repo',
  cloudAccount: 'ca',
  credential: 'cred',
  credentialVersion: 'crv',
  rotation: 'rot',
  signingKey: 'key',
  delivery: 'dlv',
  command: 'cmd',
  operation: 'op',
  lease: 'lse',
  mintedToken: 'mnt',
  token: 'tok',
  session: 'ses',
  user: 'user',
  audit: 'aud',
  incident: 'inc',
  event: 'evt',
} as const;

export type IdPrefix = (typeof idPrefixes)[keyof typeof idPrefixes];

/** Crockford's base 32 in lower case. It has no i, l, o or u, so people can read ids aloud. */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';

const pool = Buffer.alloc(8 * 256);
let poolAt = pool.length;
let lastMs = 0;
let sequence = 0;

/**
 * Returns a new id: `<prefix>_` and a UUIDv7 (RFC 9562) in 26 characters of Crockford base 32. Ids sort by time. Within
 * one millisecond, the ids of one process sort by creation.
 */
export function newId(prefix: IdPrefix): string {
  const now = Date.now();
  if (now > lastMs) {
    lastMs = now;
    sequence = 0;
  } else if (++sequence > 0xfff) {
    lastMs += 1;
    sequence = 0;
  }
  if (poolAt + 8 > pool.length) {
    randomFillSync(pool);
    poolAt = 0;
  }
  const high = pool.readUInt32BE(poolAt);
  const low = pool.readUInt32BE(poolAt + 4);
  poolAt += 8;

  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Math.floor(lastMs / 0x10000));
  view.setUint16(4, lastMs % 0x10000);
  view.setUint16(6, 0x7000 | sequence);
  view.setUint32(8, (0x80000000 | (high & 0x3fffffff)) >>> 0);
  view.setUint32(12, low);
  return `${prefix}_${encode(bytes)}`;
}

/** Below every id that was created at `ms` or later, and above all earlier ids. */
export function idAt(prefix: IdPrefix, ms: number): string {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Math.floor(ms / 0x10000));
  view.setUint16(4, ms % 0x10000);
  return `${prefix}_${encode(bytes)}`;
}

/** 128 bits as 26 characters. The first character has only three bits. */
function encode(bytes: Uint8Array): string {
  let text = '';
  let bits = 2; // two zero bits in front make 130, a multiple of five
  let value = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += alphabet[(value >>> bits) & 31];
    }
    value &= (1 << bits) - 1;
  }
  return text;
}

/** Whether `text` has the form of an id with this prefix. Does not check that it exists. */
export function isId(prefix: IdPrefix, text: string): boolean {
  return text.startsWith(`${prefix}_`) && isIdBody(text.slice(prefix.length + 1));
}

function isIdBody(text: string): boolean {
  return text.length === 26 && [...text].every((character) => alphabet.includes(character));
}

/** The form of an id, for schemas and documents. */
export function idPattern(prefix: IdPrefix): RegExp {
  return new RegExp(`^${prefix}_[0-9a-hjkmnp-tv-z]{26}$`);
}

/** The characters that `Authorization: Bearer` can carry (RFC 6750, `b64token`). */
export const bearerToken = /^[\w.~+/-]+=*$/;
