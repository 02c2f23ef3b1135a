import { chmodSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';

/** The files that Fairlead and its Temporal server write into the data directory. An operator's own files are not touched. */
const ours = /^(?:(?:fairlead|temporal)\.db(?:-wal|-shm|-journal)?|master\.key|temporal\.(?:log|pid)(?:\.new)?)$/;

export type Tightened = { tightened: string[]; exposed: string[] };

/**
 * Takes the files in the data directory away from other users. They hold sealed secrets, the key to them and the
 * payloads of webhooks. Returns the files that were readable by others, and those whose mode could not be changed.
 */
export function tightenFiles(folder: string): Tightened {
  const wide = readdirSync(folder)
    .filter((name) => ours.test(name))
    .map((name) => path.join(folder, name))
    .filter((file) => (statSync(file, { throwIfNoEntry: false })?.mode ?? 0) & 0o077);
  const exposed = wide.filter((file) => !tighten(file));
  return { tightened: wide.filter((file) => !exposed.includes(file)), exposed };
}

/** A file of another user, or on a file system without modes, keeps its mode. */
function tighten(file: string): boolean {
  try {
    chmodSync(file, 0o600);
    return (statSync(file).mode & 0o077) === 0;
  } catch {
    return false;
  }
}
