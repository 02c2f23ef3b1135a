import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { readdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { readText, replaceFile } from './private-file.ts';

/** A credential for docker or git. `at` is the host or address that it is valid for, `expiresAt` is in seconds. */
export type Credential = { at: string; username: string; password: string; expiresAt: number };

/** Keeps a credential from expiring while docker or git uses it. */
const marginSeconds = 300;
const draftMs = 60 * 60_000;
const [ivBytes, tagBytes] = [12, 16];

/**
 * Caches credentials between calls, one encrypted file for each. The key is derived from the token: without the token
 * a file shows only when its credential expires, and another token cannot decrypt it. Files are replaced atomically,
 * without locks: processes that miss at the same time each ask Fairlead, and the last response stays. A cache that
 * cannot be read or written counts as empty.
 */
export function openCache({ folder, token }: { folder: string; token: string }) {
  const key = Buffer.from(hkdfSync('sha256', token, '', 'fairlead credential cache', 32));
  const nameOf = (parts: unknown[]) => `${createHmac('sha256', key).update(JSON.stringify(parts)).digest('hex')}.json`;
  const now = () => Math.floor(Date.now() / 1000);

  function read(parts: unknown[]): Credential | undefined {
    const name = nameOf(parts);
    const credential = open(name);
    return credential && credential.expiresAt - marginSeconds > now() ? credential : undefined;
  }

  function open(name: string): Credential | undefined {
    try {
      const { sealed } = JSON.parse(readText(path.join(folder, name)) ?? '') as { sealed: string };
      const bytes = Buffer.from(sealed, 'base64');
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, ivBytes), { authTagLength: tagBytes });
      decipher.setAAD(Buffer.from(name)).setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes));
      const text = Buffer.concat([decipher.update(bytes.subarray(ivBytes + tagBytes)), decipher.final()]);
      return JSON.parse(text.toString('utf8')) as Credential;
    } catch {
      return undefined;
    }
  }

  function write(parts: unknown[], credential: Credential): void {
    if (credential.expiresAt - marginSeconds <= now()) return;
    const name = nameOf(parts);
    const iv = randomBytes(ivBytes);
    const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes }).setAAD(Buffer.from(name));
    const text = Buffer.concat([cipher.update(JSON.stringify(credential)), cipher.final()]);
    const sealed = Buffer.concat([iv, cipher.getAuthTag(), text]).toString('base64');
    try {
      replaceFile(path.join(folder, name), JSON.stringify({ expires_at: credential.expiresAt, sealed }));
      sweep();
    } catch {
      // The credential works without the cache.
    }
  }

  /** Removes a credential. If a password is given, removes it only if it has that password. */
  function drop(parts: unknown[], password?: string): void {
    const name = nameOf(parts);
    if (password !== undefined && open(name)?.password !== password) return;
    remove(name);
  }

  /** Removes all credentials that this token got. */
  function clear(): void {
    for (const name of names()) if (open(name)) remove(name);
  }

  /** Removes expired credentials, and drafts of processes that were killed. */
  function sweep(): void {
    for (const name of names()) {
      const text = name.endsWith('.json') ? readText(path.join(folder, name)) : undefined;
      const expired = text === undefined ? isOld(name) : (expiryIn(text) ?? 0) <= now();
      if (expired) remove(name);
    }
  }

  function isOld(name: string): boolean {
    const file = statSync(path.join(folder, name), { throwIfNoEntry: false });
    return file !== undefined && Date.now() - file.mtimeMs > draftMs;
  }

  function names(): string[] {
    try {
      return readdirSync(folder);
    } catch {
      return [];
    }
  }

  function remove(name: string): void {
    rmSync(path.join(folder, name), { force: true });
  }

  return { read, write, drop, clear };
}

export type Cache = ReturnType<typeof openCache>;

function expiryIn(text: string): number | undefined {
  try {
    return Number((JSON.parse(text) as { expires_at: unknown }).expires_at) || 0;
  } catch {
    return undefined;
  }
}
