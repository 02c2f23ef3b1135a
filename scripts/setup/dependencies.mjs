import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { SetupError, say } from './say.mjs';

/** Installs what the lockfile names, unless exactly that is there; development dependencies whatever NODE_ENV says. */
export function installDependencies(root) {
  const stamp = path.join(root, 'node_modules', '.fairlead-setup');
  const wanted = fingerprint(root);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;

  if (!isComplete(root)) {
    say('installing dependencies (npm ci; sqlite3 may have to be compiled, which takes a minute or two)');
    const npm = process.env.npm_execpath;
    const [command, args] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
    const options = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
    const { status, error } = spawnSync(command, [...args, ...options], { cwd: root, stdio: 'inherit' });
    if (status !== 0) {
      throw new SetupError(
        `npm ci failed${error ? ` (${error.message})` : ''}: look at its output above; on a machine that compiles, sqlite3 needs python3, make and a C++ compiler (Debian: apt-get install build-essential python3)`,
      );
    }
  }
  probeSqlite(root);
  writeFileSync(stamp, wanted);
}

/** npm writes down what it installed: the same packages mean that there is nothing to do. */
function isComplete(root) {
  const [have, want] = ['node_modules/.package-lock.json', 'package-lock.json'].map((file) => packagesIn(root, file));
  if (!have || !want) return false;
  const missing = Object.entries(want).filter(
    ([name, { version, optional }]) => name && !optional && have[name]?.version !== version,
  );
  return missing.length === 0;
}

function packagesIn(root, file) {
  try {
    return JSON.parse(readFileSync(path.join(root, file), 'utf8')).packages;
  } catch {
    return undefined;
  }
}

/** The lockfile and what a compiled module depends on. */
function fingerprint(root) {
  const lock = readFileSync(path.join(root, 'package-lock.json'));
  return `${createHash('sha256').update(lock).digest('hex')} ${process.platform} ${process.arch}\n`;
}

function probeSqlite(root) {
  const { status, stderr } = spawnSync(process.execPath, ['-e', 'require("sqlite3")'], { cwd: root, encoding: 'utf8' });
  if (status === 0) return;
  const last = stderr.split('\n').find((line) => line.startsWith('Error')) ?? '';
  throw new SetupError(
    `sqlite3 is installed but does not load (${last}): npm may have left its install script out (package.json lists it under allowScripts); run: npm rebuild sqlite3`,
  );
}
