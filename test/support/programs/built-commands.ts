import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { addCommands } from '../../../scripts/build/commands.mjs';

const root = path.join(import.meta.dirname, '..', '..', '..');
const cache = path.join(root, '.cache', 'commands');

/**
 * Returns a folder for the PATH with the commands as `npm run build` makes them. They start much faster than from their
 * sources. The first test that needs them builds them, once for each state of the sources.
 */
export function builtCommands(): string {
  const built = path.join(cache, digest());
  if (!existsSync(built)) {
    mkdirSync(cache, { recursive: true });
    const draft = mkdtempSync(path.join(cache, 'draft-'));
    compile(draft);
    addCommands(root, draft);
    try {
      renameSync(draft, built);
    } catch {
      // Another test was faster.
      rmSync(draft, { recursive: true });
    }
  }
  return path.join(built, 'cli', 'bin');
}

function compile(outDir: string): void {
  const project = path.join(outDir, 'tsconfig.json');
  const compilerOptions = { noEmit: false, outDir, rootDir: root, typeRoots: [path.join(root, 'node_modules/@types')] };
  const include = [path.join(root, 'cli', '**', '*.ts')];
  writeFileSync(project, JSON.stringify({ extends: path.join(root, 'tsconfig.json'), compilerOptions, include }));
  execFileSync(path.join(root, 'node_modules', '.bin', 'tsc'), ['-p', project]);
}

function digest(): string {
  const hash = createHash('sha256').update(readFileSync(import.meta.filename));
  const sources = ['cli', 'domain', 'scripts/build'].flatMap((folder) =>
    readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name))
      .sort(),
  );
  for (const file of [...sources, path.join(root, 'package.json')]) hash.update(`${file}\0`).update(readFileSync(file));
  return hash.digest('hex').slice(0, 16);
}
