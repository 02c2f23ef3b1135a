import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import path from 'node:path';
import { childEnvironment } from './child-environment.mjs';

/** Returns the files of this name on the PATH, in its order. */
export function onPath(name, env) {
  const folders = (env.PATH ?? '').split(path.delimiter).filter(Boolean);
  return folders.map((folder) => path.join(folder, name)).filter(isFile);
}

export function isFile(file) {
  return Boolean(fileStamp(file));
}

/**
 * Runs programs to see whether they work, because a file on the PATH can be a shim without a program. `known` keeps the
 * output while the file stays the same, because running it is slow.
 */
export function askPrograms(known = {}) {
  const answers = {};
  return {
    answers,
    /** Returns the first group of the pattern in the program's output, or nothing if it does not run. */
    ask(program, args, pattern) {
      const stamp = fileStamp(program);
      if (!stamp) return undefined;
      const before = known[program];
      const answer = before?.stamp === stamp ? before.answer : run(program, args, pattern);
      if (answer) answers[program] = { stamp, answer };
      return answer;
    },
  };
}

function run(program, args, pattern) {
  const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: 15_000, env: childEnvironment() });
  return pattern.exec(`${stdout ?? ''}${stderr ?? ''}`)?.[1];
}

function fileStamp(file) {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat?.isFile() ? `${stat.size} ${stat.mtimeMs}` : undefined;
}
