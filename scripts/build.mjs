// `npm run build`: writes the product as plain JavaScript to dist/, with the workflows bundled. Run it with `node
// dist/start.js`, `dist/api/main.js`, `dist/worker/main.js` or `dist/db/main.js`. The commands in dist/cli/bin need
// only Node.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { addCommands } from './build/commands.mjs';

const root = path.join(import.meta.dirname, '..');
const dist = path.join(root, 'dist');
rmSync(dist, { recursive: true, force: true });

const tsc = path.join(root, 'node_modules', '.bin', 'tsc');
const { status } = spawnSync(tsc, ['-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);

mkdirSync(path.join(dist, 'scripts'));
cpSync(path.join(root, 'scripts', 'temporal-watchdog.mjs'), path.join(dist, 'scripts', 'temporal-watchdog.mjs'));
const { bundle } = await import('../dist/worker/bundle.js');
writeFileSync(path.join(dist, 'workflow-bundle.js'), await bundle());
addCommands(root, dist);
console.log('dist/ is built');
