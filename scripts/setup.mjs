// Runs before `npm start` and `npm test`. It installs what is missing and finds a Temporal server, with only Node's
// standard library. If there is nothing to do, it takes a moment.
//
// node scripts/setup.mjs [--test]    (--test also gets the time-skipping test server)
import { existsSync } from 'node:fs';
import path from 'node:path';
import { installDependencies } from './setup/dependencies.mjs';
import { requireNode } from './setup/node-version.mjs';
import { SetupError } from './setup/say.mjs';
import { findTemporal } from './setup/temporal.mjs';

const root = path.join(import.meta.dirname ?? '.', '..');
const test = process.argv.includes('--test');

try {
  requireNode(process.versions.node);
  // `npm start` reads it too, but the tests do not.
  const settings = path.join(root, '.env');
  if (!test && existsSync(settings)) process.loadEnvFile(settings);
  installDependencies(root);
  await findTemporal(root, { test });
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`setup: ${error.message}`);
  process.exit(1);
}
