// `npm run test:client`: generates a client from docs/openapi.json with openapi-typescript. Then it compiles a program
// that uses the client, with the TypeScript of this repository. openapi-typescript needs TypeScript 5, so the script
// installs it in a separate folder below .cache/, once for each lockfile.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { childEnvironment } from './setup/child-environment.mjs';

const root = path.join(import.meta.dirname, '..');
const source = path.join(import.meta.dirname, 'check-client');
const folder = path.join(root, '.cache', 'check-client');
const installed = path.join(folder, 'node_modules', '.installed-lock.json');

function run(what, command, args) {
  const { status, error } = spawnSync(command, args, { cwd: folder, stdio: 'inherit', env: childEnvironment() });
  if (status === 0) return;
  console.error(`test:client: ${what} failed${error ? `: ${error.message}` : ': see its output above'}`);
  process.exit(1);
}

mkdirSync(folder, { recursive: true });
cpSync(source, folder, { recursive: true });

const lock = readFileSync(path.join(folder, 'package-lock.json'), 'utf8');
if (!existsSync(installed) || readFileSync(installed, 'utf8') !== lock) {
  run('npm ci', 'npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
  writeFileSync(installed, lock);
}

const document = path.join(root, 'docs', 'openapi.json');
const generator = path.join(folder, 'node_modules', 'openapi-typescript', 'bin', 'cli.js');
run('openapi-typescript', process.execPath, [generator, document, '--output', 'api.d.ts']);
run('tsc', path.join(root, 'node_modules', '.bin', 'tsc'), ['-p', 'tsconfig.json']);
console.log('The client generated from docs/openapi.json compiles');
