import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const tools = fileURLToPath(new URL('../../../.cache/neighbours', import.meta.url));

/** Finds a program for the tests with real neighbours. A missing program is a failure, and no test is skipped. */
export function program(name: string): string {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter);
  const found = [...folders, path.join(tools, 'bin'), path.join(tools, 'moto', 'bin')]
    .map((folder) => path.join(folder, name))
    .find((file) => existsSync(file));
  if (!found) throw new Error(`${name} is not installed: scripts/neighbours.sh installs what these tests need`);
  return found;
}
