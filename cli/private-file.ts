import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** The text of a file, or nothing where there is none. */
export function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/**
 * Replaces a file at once: a reader sees the old one or the new one, and of several writers the last one wins. A new
 * file, and every folder made for it, is for its owner only; an old one keeps its mode where `keepMode` says so.
 */
export function replaceFile(file: string, text: string, { keepMode = false } = {}): void {
  const target = realFile(file);
  mkdirSync(path.dirname(target), { recursive: true, mode: 0o700 });
  const mode = keepMode ? (modeOf(target) ?? 0o600) : 0o600;
  const draft = `${target}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    writeFileSync(draft, text, { mode, flag: 'wx' });
    renameSync(draft, target);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

/** Whether others than its owner may read it. */
export function isOpenToOthers(file: string): boolean {
  return process.platform !== 'win32' && ((modeOf(file) ?? 0) & 0o077) !== 0;
}

/** Somebody may keep their settings elsewhere and link to them. */
function realFile(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}

function modeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.mode;
}

function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
}
