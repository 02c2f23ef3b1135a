// Runs the property tests on random seeds for some minutes. See `npm run test:fuzz -- --help`.
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { readOptions, UsageError, usage } from './test-fuzz/options.mjs';

const root = path.join(import.meta.dirname, '..');
const vitest = path.join(root, 'node_modules', 'vitest', 'vitest.mjs');

process.exit(await main());

async function main() {
  let options;
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`test:fuzz: ${error.message}\n\n${usage}`);
    return 2;
  }
  if (options.help) {
    console.log(usage);
    return 0;
  }
  const { minutes, seed, runs } = options;
  const files = options.files.length > 0 ? options.files : propertyTests();
  if (seed !== undefined) return (await round(files, seed, runs)) ? 0 : 1;

  const deadline = Date.now() + minutes * 60_000;
  let rounds = 0;
  do {
    const drawn = randomInt(-(2 ** 31), 2 ** 31);
    if (!(await round(files, drawn, runs))) return 1;
    rounds += 1;
  } while (Date.now() < deadline);
  console.log(`No property failed in ${rounds} round${rounds === 1 ? '' : 's'}.`);
  return 0;
}

function propertyTests() {
  return readdirSync(path.join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => path.join('test', file))
    .filter((file) => /from '[./]*\/support\/properties\.ts'/.test(readFileSync(path.join(root, file), 'utf8')))
    .sort();
}

/** Resolves to whether every test passed. Shows the output of vitest only if a test failed. */
async function round(files, seed, runs) {
  console.log(`Seed ${seed}: ${files.length} files, ${runs} values for each property`);
  const child = spawn(process.execPath, [vitest, 'run', '--retry=0', '--testTimeout=600000', ...files], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, FAIRLEAD_PROPERTY_SEED: String(seed), FAIRLEAD_PROPERTY_RUNS: String(runs) },
  });
  const stop = () => child.kill('SIGTERM');
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, stop);
  const printed = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => printed.push(part));
  const code = await new Promise((resolve) => child.once('close', resolve));
  for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, stop);
  if (code === 0) return true;

  const text = Buffer.concat(printed).toString('utf8');
  console.error(text);
  const paths = [...new Set([...text.matchAll(/seed: -?\d+, path: "[\d:]+"/g)].map(([found]) => found))];
  for (const found of paths) console.error(`Failed: { ${found} }`);
  console.error(`To repeat it: npm run test:fuzz -- --seed ${seed}${runs === 1000 ? '' : ` --runs ${runs}`}`);
  return false;
}
