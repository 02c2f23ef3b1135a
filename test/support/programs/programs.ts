import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const tools = fileURLToPath(new URL('../../../.cache/neighbours', import.meta.url));

/** Where a program is that the tests with real neighbours need. Its absence is a failure: nothing is skipped for it. */
export function program(name: string): string {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter);
  const found = [...folders, path.join(tools, 'bin'), path.join(tools, 'moto', 'bin')]
    .map((folder) => path.join(folder, name))
    .find((file) => existsSync(file));
  if (!found) throw new Error(`${name} is not installed: scripts/neighbours.sh installs what these tests need`);
  return found;
}
