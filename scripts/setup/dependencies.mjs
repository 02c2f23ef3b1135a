import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { childEnvironment } from './child-environment.mjs';
import { SetupError, say } from './say.mjs';

/**
 * Installs what the lockfile names, unless it is installed already. It includes development dependencies even if
 * NODE_ENV is `production`.
 */
export function installDependencies(root) {
  const stamp = path.join(root, 'node_modules', '.fairlead-stamp');
  if (textOf(stamp) === fingerprint(root)) return;
  if (!isComplete(root)) npmCi(root);
  probeSqlite(root);
  writeFileSync(stamp, fingerprint(root));
}

function npmCi(root) {
  say('installing dependencies with npm ci (sqlite3 may have to be compiled, which takes a minute or two)');
  const npm = process.env.npm_execpath;
  const [command, args] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
  const options = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const { status, error } = spawnSync(command, [...args, ...options], {
    cwd: root,
    stdio: 'inherit',
    // If sqlite3 is compiled, it uses as many jobs as there are cores.
    env: { JOBS: 'max', ...childEnvironment() },
  });
  if (status === 0) return;
  throw new SetupError(
    `npm ci failed${error ? ` (${error.message})` : ', as its output above says'}; where sqlite3 has to be compiled, that needs python3, make and a C++ compiler (Debian: apt-get install build-essential python3)`,
  );
}

/** npm records what it installed. If the packages are the same, there is nothing to do. */
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

/** The lockfile, npm's record of node_modules, and what a compiled module depends on. */
function fingerprint(root) {
  const lock = createHash('sha256')
    .update(readFileSync(path.join(root, 'package-lock.json')))
    .digest('hex');
  const installed = statSync(path.join(root, 'node_modules', '.package-lock.json'), { throwIfNoEntry: false });
  return `${lock} ${installed?.mtimeMs} ${process.platform} ${process.arch}\n`;
}

function probeSqlite(root) {
  const { status, stderr } = spawnSync(process.execPath, ['-e', 'require("sqlite3")'], {
    cwd: root,
    encoding: 'utf8',
    env: childEnvironment(),
  });
  if (status === 0) return;
  const cause = stderr.split('\n').find((line) => line.startsWith('Error')) ?? 'no reason given';
  throw new SetupError(
    `sqlite3 is installed but does not load (${cause}): run npm rebuild sqlite3. It needs python3, make and a C++ compiler where no prebuilt file fits; and npm 12 runs its install script only while package.json lists it under allowScripts`,
  );
}

function textOf(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
