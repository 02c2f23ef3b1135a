import { chmodSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';

/**
 * The files that Fairlead and its Temporal server write into the data directory. Fairlead does not change an operator's
 * own files.
 */
const ours = /^(?:(?:fairlead|temporal)\.db(?:-wal|-shm|-journal)?|master\.key|temporal\.(?:log|pid)(?:\.new)?)$/;

export type Tightened = { tightened: string[]; exposed: string[] };

/**
 * Prevents other users of the machine from reading the files in the data directory. The files contain sealed secrets,
 * their key, and payloads of webhooks. Returns the files whose mode it has tightened, and those whose mode it could not
 * change.
 */
export function tightenFiles(folder: string): Tightened {
  const wide = readdirSync(folder)
    .filter((name) => ours.test(name))
    .map((name) => path.join(folder, name))
    .filter((file) => (statSync(file, { throwIfNoEntry: false })?.mode ?? 0) & 0o077);
  const exposed = wide.filter((file) => !tighten(file));
  return { tightened: wide.filter((file) => !exposed.includes(file)), exposed };
}

/**
 * Returns whether the file now has the mode 600. A file of another user, or on a file system without modes, keeps its
 * mode.
 */
function tighten(file: string): boolean {
  try {
    chmodSync(file, 0o600);
    return (statSync(file).mode & 0o077) === 0;
  } catch {
    return false;
  }
}
