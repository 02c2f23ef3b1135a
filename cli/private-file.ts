import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Returns the text of a file, or undefined if it does not exist. */
export function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/**
 * Replaces a file atomically: a reader sees the old text or the new text, and the last of several writers wins. Only its
 * owner can read a new file and the folders created for it. With `keepMode` an existing file keeps its mode.
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

/** Whether other users can read the file. */
export function isOpenToOthers(file: string): boolean {
  return process.platform !== 'win32' && ((modeOf(file) ?? 0) & 0o077) !== 0;
}

/** Follows a link, because a person might keep their settings elsewhere. */
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
