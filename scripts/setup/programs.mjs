import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import path from 'node:path';
import { childEnvironment } from './child-environment.mjs';

/** Files of this name on the PATH, in its order. */
export function onPath(name, env) {
  const folders = (env.PATH ?? '').split(path.delimiter).filter(Boolean);
  return folders.map((folder) => path.join(folder, name)).filter(isFile);
}

export function isFile(file) {
  return Boolean(fileStamp(file));
}

/**
 * Runs programs to see whether they work (a file on the PATH may be a shim that stands for nothing). What one answered
 * is remembered in `known` as long as its file stays the same, because asking takes longer than all the rest.
 */
export function askPrograms(known = {}) {
  const answers = {};
  return {
    answers,
    /** The first group of the pattern in what the program prints, or nothing where it does not run. */
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
